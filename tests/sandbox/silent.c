/*
 * What another user can do to who waits for a file system. Prints one line once it is done, and stays.
 *   silent serve DIRECTORY UID        a FUSE file system of that user, for all users, with one file, "file", of which no read is
 *                                     answered
 *   silent lock DIRECTORY FILE        holds the lock of DIRECTORY for as long as the first page of FILE can't be read
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void must(int is_ok, const char *what) {
  if (is_ok) return;
  perror(what);
  exit(1);
}

static void say(const char *line) {
  puts(line);
  fflush(stdout);
}

static void reply(int fd, const struct fuse_in_header *in, const void *body, size_t size) {
  char bytes[512];
  struct fuse_out_header header = { sizeof header + size, 0, in->unique };
  memcpy(bytes, &header, sizeof header);
  memcpy(bytes + sizeof header, body, size);
  must(write(fd, bytes, header.len) == (ssize_t)header.len || errno == ENOENT, "reply");
}

static struct fuse_attr attributes(int node) {
  int mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0666;
  return (struct fuse_attr){ .ino = node, .size = 65536, .nlink = 1, .mode = mode, .blksize = 4096 };
}

static void serve(const char *directory, const char *uid) {
  int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  must(fd >= 0, "/dev/fuse");
  char options[128];
  snprintf(options, sizeof options, "fd=%d,rootmode=40755,user_id=%s,group_id=0,allow_other", fd, uid);
  must(mount("silent", directory, "fuse.silent", MS_NOSUID | MS_NODEV, options) == 0, "mount");
  static char bytes[1 << 18];
  struct fuse_in_header *in = (void *)bytes;
  for (;;) {
    if (read(fd, bytes, sizeof bytes) < 0) {
      if (errno == ENODEV) pause(); /* It was unmounted. */
      continue;
    }
    if (in->opcode == FUSE_INIT) {
      struct fuse_init_out init = { .major = 7, .minor = 31, .max_write = 65536, .max_readahead = 65536 };
      reply(fd, in, &init, sizeof init);
      say("mounted");
    } else if (in->opcode == FUSE_GETATTR) {
      struct fuse_attr_out out = { .attr_valid = 1000, .attr = attributes(in->nodeid) };
      reply(fd, in, &out, sizeof out);
    } else if (in->opcode == FUSE_LOOKUP) {
      struct fuse_entry_out out = { .nodeid = 2, .entry_valid = 1000, .attr_valid = 1000, .attr = attributes(2) };
      reply(fd, in, &out, sizeof out);
    } else if (in->opcode == FUSE_OPEN) {
      struct fuse_open_out out = { .fh = 1 };
      reply(fd, in, &out, sizeof out);
    }
  }
}

/* The kernel holds a directory's lock while it copies its entries to where they were asked for. */
static void lock(const char *directory, const char *file) {
  int from = open(file, O_RDWR | O_CLOEXEC), fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  must(from >= 0, file);
  must(fd >= 0, directory);
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, from, 0);
  must(page != MAP_FAILED, "mmap");
  say("locking");
  syscall(SYS_getdents64, fd, page, 4096);
}

int main(int count, char **words) {
  if (count == 4 && strcmp(words[1], "serve") == 0) serve(words[2], words[3]);
  if (count == 4 && strcmp(words[1], "lock") == 0) lock(words[2], words[3]);
  return 1;
}
