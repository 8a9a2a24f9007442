/* What the benchmarks do to a mount, in C, so that the client's own cost does not drown the figure.
 *
 *   client create DIR PREFIX COUNT CLIENTS [SYNCS]   files PREFIX-0.., made by so many processes at once; prints ns.
 *                                                    SYNCS: 1, an fsync before each close; 2, one before the write too
 *   client finish MOUNT PREFIX COUNT CLIENTS         the same in MOUNT/pending, until all are in complete/; prints ns
 *   client drain MOUNT PREFIX COUNT                  lets a paused queue run, until all are in complete/; prints ns
 *   client stat PATH COUNT                           prints ns
 *   client read PATH COUNT                           the whole file, as cat does; prints ns
 *   client remove DIR PREFIX COUNT                   prints ns
 *   client hold MOUNT PREFIX COUNT                   submits jobs and keeps them open; prints 0, and stays until its
 *                                                    input ends
 *   client latency MOUNT FIFO COUNT                  prints, in turn, ns from before close() of a job to its first
 *                                                    instruction, from after close(), and from a spawn of the same
 *                                                    shell to the same
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static const char JOB[] = "true\n";
enum { READ_BYTES = 131072, LIMIT_SECONDS = 300, LOOK_US = 1000, REST_US = 15000 };

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static char *path_of(const char *dir, const char *prefix, long number) {
	static char path[4096];
	snprintf(path, sizeof path, "%s/%s-%ld", dir, prefix, number);
	return path;
}

static void create_file(const char *path, const char *text, long syncs) {
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
	if (fd < 0) err(1, "open %s", path);
	if (syncs > 1 && fsync(fd) < 0) err(1, "fsync %s", path);
	if (write(fd, text, strlen(text)) < 0) err(1, "write %s", path);
	if (syncs > 0 && fsync(fd) < 0) err(1, "fsync %s", path);
	if (close(fd) < 0) err(1, "close %s", path);
}

/* Each client makes its share, all from the same moment on. Returns that moment. */
static int64_t create_all(const char *dir, const char *prefix, long count, long clients, long syncs) {
	int gate[2];
	if (pipe(gate) < 0) err(1, "pipe");
	for (long client = 0; client < clients; client++) {
		pid_t pid = fork();
		if (pid < 0) err(1, "fork");
		if (pid > 0) continue;
		char byte;
		close(gate[1]);
		if (read(gate[0], &byte, 1) < 0) err(1, "read");
		for (long i = client; i < count; i += clients) create_file(path_of(dir, prefix, i), JOB, syncs);
		_exit(0);
	}
	close(gate[0]);
	usleep(20000); /* until all of them wait */
	int64_t start = now();
	close(gate[1]);
	for (int status; wait(&status) > 0;) {
		if (status != 0) errx(1, "a client failed");
	}
	return start;
}

static long count_of(const char *dir, const char *prefix) {
	DIR *entries = opendir(dir);
	if (!entries) err(1, "%s", dir);
	long count = 0;
	for (struct dirent *entry; (entry = readdir(entries));) {
		size_t length = strlen(prefix);
		count += strncmp(entry->d_name, prefix, length) == 0 && entry->d_name[length] == '-';
	}
	closedir(entries);
	return count;
}

/* The last one is asked for alone: a listing would cost the daemon time. */
static void await_complete(const char *mount, const char *prefix, long count) {
	char dir[4096];
	snprintf(dir, sizeof dir, "%s/complete", mount);
	alarm(LIMIT_SECONDS);
	while (access(path_of(dir, prefix, count - 1), F_OK) < 0) usleep(LOOK_US);
	while (count_of(dir, prefix) < count) usleep(LOOK_US);
}

static void print_since(int64_t start) {
	printf("%lld\n", (long long)(now() - start));
}

static void drain(const char *mount, const char *prefix, long count) {
	static const char SETTING[] = "{\"max_job_count\": 20}\n";
	char path[4096];
	snprintf(path, sizeof path, "%s/config.json", mount);
	int64_t start = now();
	int fd = open(path, O_WRONLY | O_TRUNC);
	if (fd < 0 || write(fd, SETTING, strlen(SETTING)) < 0 || close(fd) < 0) err(1, "%s", path);
	await_complete(mount, prefix, count);
	print_since(start);
}

static void stat_often(const char *path, long count) {
	struct stat found;
	int64_t start = now();
	for (long i = 0; i < count; i++) {
		if (stat(path, &found) < 0) err(1, "%s", path);
	}
	print_since(start);
}

static void read_often(const char *path, long count) {
	static char buffer[READ_BYTES];
	int64_t start = now();
	for (long i = 0; i < count; i++) {
		int fd = open(path, O_RDONLY);
		if (fd < 0) err(1, "%s", path);
		for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) != 0;) {
			if (got < 0) err(1, "%s", path);
		}
		close(fd);
	}
	print_since(start);
}

static void remove_all(const char *dir, const char *prefix, long count) {
	int64_t start = now();
	for (long i = 0; i < count; i++) {
		if (unlink(path_of(dir, prefix, i)) < 0) err(1, "unlink %s", path_of(dir, prefix, i));
	}
	print_since(start);
}

/* A job that was closed by one handle has its place in the queue, and another handle holds it. */
static void hold(const char *mount, const char *prefix, long count) {
	struct rlimit files;
	char dir[4096], byte;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0) err(1, "getrlimit");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0) err(1, "setrlimit");
	snprintf(dir, sizeof dir, "%s/pending", mount);
	for (long i = 0; i < count; i++) {
		int fd = open(path_of(dir, prefix, i), O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0 || write(fd, JOB, strlen(JOB)) < 0) err(1, "%s", path_of(dir, prefix, i));
		if (close(dup(fd)) < 0) err(1, "close");
	}
	printf("0\n");
	fflush(stdout);
	if (read(0, &byte, 1) < 0) err(1, "read");
	for (long i = 0; i < count; i++) unlink(path_of(dir, prefix, i));
}

/* Returns the moment at which somebody has written. */
static int64_t await_byte(int fifo) {
	struct pollfd wanted = {.fd = fifo, .events = POLLIN};
	char text[16];
	if (poll(&wanted, 1, LIMIT_SECONDS * 1000) != 1) errx(1, "no job has started");
	int64_t moment = now();
	if (read(fifo, text, sizeof text) < 0) err(1, "read");
	return moment;
}

static void measure_latency(const char *mount, char *fifo_path, long count) {
	char dir[4096], prefix[64], command[4096];
	snprintf(dir, sizeof dir, "%s/pending", mount);
	snprintf(prefix, sizeof prefix, "latency-%d", getpid());
	snprintf(command, sizeof command, "echo >%s", fifo_path);
	int fifo = open(fifo_path, O_RDWR);
	if (fifo < 0) err(1, "%s", fifo_path);
	for (long i = 0; i < count; i++) {
		usleep(REST_US);
		int fd = open(path_of(dir, prefix, i), O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0 || write(fd, command, strlen(command)) < 0) err(1, "%s", dir);
		int64_t before = now();
		if (close(fd) < 0) err(1, "close");
		int64_t after = now(), started = await_byte(fifo);

		usleep(REST_US);
		char *args[] = {"sh", "-c", command, NULL};
		pid_t pid;
		int64_t spawned = now();
		if (posix_spawn(&pid, "/bin/sh", NULL, NULL, args, environ) != 0) errx(1, "posix_spawn");
		int64_t theirs = await_byte(fifo) - spawned;
		waitpid(pid, NULL, 0);
		printf("%lld\n%lld\n%lld\n", (long long)(started - before), (long long)(started - after), (long long)theirs);
	}
}

int main(int argc, char **argv) {
	const char *what = argc > 1 ? argv[1] : "";
	char pending[4096];
	int64_t start;
	if (strcmp(what, "create") == 0 && argc >= 6) {
		print_since(create_all(argv[2], argv[3], atol(argv[4]), atol(argv[5]), argc > 6 ? atol(argv[6]) : 0));
	} else if (strcmp(what, "finish") == 0 && argc == 6) {
		snprintf(pending, sizeof pending, "%s/pending", argv[2]);
		start = create_all(pending, argv[3], atol(argv[4]), atol(argv[5]), 0);
		await_complete(argv[2], argv[3], atol(argv[4]));
		print_since(start);
	} else if (strcmp(what, "drain") == 0 && argc == 5) {
		drain(argv[2], argv[3], atol(argv[4]));
	} else if (strcmp(what, "stat") == 0 && argc == 4) {
		stat_often(argv[2], atol(argv[3]));
	} else if (strcmp(what, "read") == 0 && argc == 4) {
		read_often(argv[2], atol(argv[3]));
	} else if (strcmp(what, "remove") == 0 && argc == 5) {
		remove_all(argv[2], argv[3], atol(argv[4]));
	} else if (strcmp(what, "hold") == 0 && argc == 5) {
		hold(argv[2], argv[3], atol(argv[4]));
	} else if (strcmp(what, "latency") == 0 && argc == 5) {
		measure_latency(argv[2], argv[3], atol(argv[4]));
	} else {
		errx(2, "see the top of client.c");
	}
	return 0;
}
