/* Leaves a process that swaps directories with links to a victim for 0.3 s, or as long as it can: swap VICTIM */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { COUNT = 40, MS = 300 };

/* By the clock: a busy machine must not have it outlast the tries to remove what it keeps making. */
static long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int count, char **words) {
  char directory[16], link[16];
  if (count != 2 || fork() != 0) return count != 2;
  setsid();
  for (int fd = 0; fd < 3; fd++) close(fd);
  long end = now_ms() + MS;
  for (long round = 0; now_ms() < end; round++) {
    snprintf(directory, sizeof directory, "d%ld", round % COUNT);
    snprintf(link, sizeof link, "l%ld", round % COUNT);
    if (syscall(SYS_renameat2, AT_FDCWD, directory, AT_FDCWD, link, 2 /* RENAME_EXCHANGE */) == 0) continue;
    int made = mkdir(directory, 0700) == 0;
    if (symlink(words[1], link) != 0 && !made && access(".", X_OK) != 0) return 0;
    struct stat here;
    if (stat(".", &here) != 0 || here.st_nlink == 0) return 0;
  }
}
