/* attempt WHAT [ARGUMENT]... - makes one call that no shell command makes. Exit status 1: it was refused. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static void die(const char *what) {
	perror(what);
	exit(1);
}

static long must(long result, const char *what) {
	if (result == -1) die(what);
	return result;
}

/* Copies what a descriptor has to standard output. */
static void show(int fd) {
	char buffer[4096];
	must(write(1, buffer, must(read(fd, buffer, sizeof buffer), "read")), "write");
}

static struct sockaddr_in local(const char *port) {
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static socklen_t named(const char *name, int is_abstract, struct sockaddr_un *address) {
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(address->sun_path + is_abstract, name);
	return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
}

static int open_socket(int family, int type) {
	return must(socket(family, type, 0), "socket");
}

static void connect_tcp(const char *port) {
	struct sockaddr_in address = local(port);
	must(connect(open_socket(AF_INET, SOCK_STREAM), (void *)&address, sizeof address), "connect");
}

static void bind_tcp(const char *port) {
	struct sockaddr_in address = local(port);
	int fd = open_socket(AF_INET, SOCK_STREAM), on = 1;
	must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "setsockopt");
	must(bind(fd, (void *)&address, sizeof address), "bind");
	must(listen(fd, 1), "listen");
}

static void connect_unix(const char *name, int is_abstract) {
	struct sockaddr_un address;
	socklen_t size = named(name, is_abstract, &address);
	must(connect(open_socket(AF_UNIX, SOCK_STREAM), (void *)&address, size), "connect");
}

static void send_abstract(const char *name) {
	struct sockaddr_un address;
	socklen_t size = named(name, 1, &address);
	must(sendto(open_socket(AF_UNIX, SOCK_DGRAM), "x", 1, 0, (void *)&address, size), "sendto");
}

/* Listens at a TCP port, which it prints, and at abstract sockets NAME and NAME-datagram, until standard input ends. */
static void serve(const char *name) {
	char other[64];
	struct sockaddr_un stream, datagram;
	struct sockaddr_in tcp = local("0");
	socklen_t size = sizeof tcp;
	int tcp_fd = open_socket(AF_INET, SOCK_STREAM);
	must(bind(tcp_fd, (void *)&tcp, size), "bind");
	must(listen(tcp_fd, 64), "listen");
	must(getsockname(tcp_fd, (void *)&tcp, &size), "getsockname");
	size = named(name, 1, &stream);
	int stream_fd = open_socket(AF_UNIX, SOCK_STREAM);
	must(bind(stream_fd, (void *)&stream, size), "bind");
	must(listen(stream_fd, 64), "listen");
	snprintf(other, sizeof other, "%s-datagram", name);
	size = named(other, 1, &datagram);
	must(bind(open_socket(AF_UNIX, SOCK_DGRAM), (void *)&datagram, size), "bind");
	printf("%d\n", ntohs(tcp.sin_port));
	fflush(stdout);
	char byte;
	while (read(0, &byte, 1) > 0);
}

/* Reads a byte of another process. */
static void read_memory(pid_t pid, const char *address) {
	char byte;
	struct iovec ours = { &byte, 1 }, theirs = { (void *)strtoul(address, NULL, 16), 1 };
	must(process_vm_readv(pid, &ours, 1, &theirs, 1, 0), "process_vm_readv");
}

static void trace(pid_t pid) {
	must(ptrace(PTRACE_SEIZE, pid, NULL, NULL), "ptrace");
}

static void take_descriptor(pid_t pid) {
	int pidfd = must(syscall(SYS_pidfd_open, pid, 0), "pidfd_open");
	must(syscall(SYS_pidfd_getfd, pidfd, 0, 0), "pidfd_getfd");
}

/* Has the kernel send SIGUSR1 to a process, as the owner of a pipe that gets something to read. */
static void signal_by_pipe(pid_t pid) {
	int ends[2];
	must(pipe(ends), "pipe");
	must(fcntl(ends[0], F_SETOWN, pid), "F_SETOWN");
	must(fcntl(ends[0], F_SETSIG, SIGUSR1), "F_SETSIG");
	must(fcntl(ends[0], F_SETFL, O_ASYNC), "F_SETFL");
	must(write(ends[1], "x", 1), "write");
}

static void show_by_handle(const char *path, const char *directory) {
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} file = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount_id;
	must(name_to_handle_at(AT_FDCWD, path, &file.handle, &mount_id, 0), "name_to_handle_at");
	int mount = must(open(directory, O_RDONLY), "open");
	show(must(open_by_handle_at(mount, &file.handle, O_RDONLY), "open_by_handle_at"));
}

/* Opens a place, which anybody may, and then the file by its descriptor. */
static void show_by_place(const char *path) {
	char again[64];
	snprintf(again, sizeof again, "/proc/self/fd/%ld", must(open(path, O_PATH), "open O_PATH"));
	show(must(open(again, O_RDONLY), "open again"));
}

static void link_nameless(const char *from, const char *to) {
	char again[64];
	snprintf(again, sizeof again, "/proc/self/fd/%ld", must(open(from, O_TMPFILE | O_WRONLY, 0600), "open O_TMPFILE"));
	must(linkat(AT_FDCWD, again, AT_FDCWD, to, AT_SYMLINK_FOLLOW), "linkat");
}

int main(int argc, char **argv) {
	const char *what = argc > 1 ? argv[1] : "", *a = argc > 2 ? argv[2] : "", *b = argc > 3 ? argv[3] : "";
	if (!strcmp(what, "truncate")) must(truncate(a, 0), what);
	else if (!strcmp(what, "rename")) must(rename(a, b), what);
	else if (!strcmp(what, "exchange")) must(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE), what);
	else if (!strcmp(what, "connect-tcp")) connect_tcp(a);
	else if (!strcmp(what, "bind-tcp")) bind_tcp(a);
	else if (!strcmp(what, "connect-abstract")) connect_unix(a, 1);
	else if (!strcmp(what, "connect-path")) connect_unix(a, 0);
	else if (!strcmp(what, "send-abstract")) send_abstract(a);
	else if (!strcmp(what, "serve")) serve(a);
	else if (!strcmp(what, "read-memory")) read_memory(atoi(a), b);
	else if (!strcmp(what, "trace")) trace(atoi(a));
	else if (!strcmp(what, "take-descriptor")) take_descriptor(atoi(a));
	else if (!strcmp(what, "signal-by-pipe")) signal_by_pipe(atoi(a));
	else if (!strcmp(what, "show-by-handle")) show_by_handle(a, b);
	else if (!strcmp(what, "show-by-place")) show_by_place(a);
	else if (!strcmp(what, "link-nameless")) link_nameless(a, b);
	else if (!strcmp(what, "euid")) printf("euid %d\n", (int)geteuid());
	else return 2;
	return 0;
}
