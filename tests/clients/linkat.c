/* linkat DIRECTORY PATH: makes a file without a name, and gives it one, as programs do that publish whole files only. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char **arguments)
{
	char name[64];
	int file = count == 3 ? open(arguments[1], O_TMPFILE | O_WRONLY, 0644) : -1;

	if (file < 0) {
		perror("open");
		return 1;
	}
	if (write(file, "true\n", 5) != 5) {
		perror("write");
		return 1;
	}
	snprintf(name, sizeof name, "/proc/self/fd/%d", file);
	if (linkat(AT_FDCWD, name, AT_FDCWD, arguments[2], AT_SYMLINK_FOLLOW) != 0) {
		perror("linkat");
		return 1;
	}
	return 0;
}
