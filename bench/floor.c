/* The floor: what a queue that keeps filed's promises costs at least. It answers the same requests of
 * /dev/fuse from memory, and writes a journal instead of a database. It syncs that as filed does, at the first
 * write of a job and at its close, and runs `sh -c` for each job. It reads no journal, keeps no logs, and knows
 * no settings but max_job_count.
 *
 *   floor MOUNT JOURNAL    as root; prints a line once it is mounted, and ends when it is unmounted
 *
 * One thread serves the mount and writes the journal, another starts and ends processes; a pipe goes each
 * way.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { PENDING = 2, COMPLETE = 3, CONFIG = 4, FIRST_JOB = 16 }; /* nodeids; a job has two, by its directory */
enum { MAX_JOBS = 100000, BUCKETS = 1 << 16, SLOTS = 20 };
enum { NAME_BYTES = 64, TEXT_BYTES = 256, STACK_BYTES = 16384 };
enum { JOURNAL_BYTES = 16 << 20, RECORDS_BYTES = 1 << 20, REQUEST_BYTES = 1 << 18, REPLY_BYTES = 1 << 16 };
enum { SPIN_NS = 80000, PROMPT_MS = 5, CREATED_NAME_S = 2 };

struct job {
	char name[NAME_BYTES], command[TEXT_BYTES], output[TEXT_BYTES];
	uint32_t size, output_size;
	uint64_t dir; /* PENDING or COMPLETE, 0 once it is removed */
	int next, is_submitted;
};
static struct job jobs[MAX_JOBS + 1]; /* from 1 on */
static int job_count, first_waiting = 1, buckets[BUCKETS];
static long max_job_count = SLOTS, running;

static int fuse, journal, to_start[2], ended[2];
static char records[RECORDS_BYTES];
static size_t records_size;
static off_t journal_at;
static int is_dirty;
static struct { uint64_t unique; uint32_t size; } held[1024]; /* replies that wait for the sync */
static int held_count;

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Processes */

struct slot {
	char stack[STACK_BYTES] __attribute__((aligned(16)));
	int job, output, pidfd, null, writer;
	pid_t pid;
};
static struct slot slots[SLOTS];

static int child(void *argument) {
	struct slot *slot = argument;
	char *args[] = {"sh", "-c", jobs[slot->job].command, NULL};
	setsid();
	dup2(slot->null, 0);
	dup2(slot->writer, 1);
	dup2(slot->writer, 2);
	execve("/bin/sh", args, environ);
	_exit(127);
}

static void watch(int epoll, int fd, struct slot *slot) {
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = slot};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) err(1, "epoll_ctl");
}

static void start(int epoll, int null, int job) {
	struct slot *slot = slots;
	while (slot->job) slot++;
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0) err(1, "pipe2");
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	slot->job = job;
	slot->output = ends[0];
	slot->writer = ends[1];
	slot->null = null;
	/* As vfork(2), and we go on at once: the stack is its own, and until its exec it changes nothing. */
	slot->pid = clone(child, slot->stack + STACK_BYTES, CLONE_VM | SIGCHLD, slot);
	if (slot->pid < 0) err(1, "clone");
	close(ends[1]);
	slot->pidfd = syscall(SYS_pidfd_open, slot->pid, 0);
	if (slot->pidfd < 0) err(1, "pidfd_open");
	watch(epoll, slot->pidfd, slot);
	watch(epoll, slot->output, slot);
}

/* Reads what there is; once the process has ended and nobody has the pipe, the job is over. */
static void look(struct slot *slot) {
	struct job *job = &jobs[slot->job];
	ssize_t got;
	if (!slot->job) return;
	while (slot->output >= 0 && (got = read(slot->output, job->output, TEXT_BYTES)) >= 0) {
		if (got > 0) job->output_size = got;
		else close(slot->output), slot->output = -1;
	}
	if (slot->pidfd >= 0 && waitpid(slot->pid, NULL, WNOHANG) > 0) close(slot->pidfd), slot->pidfd = -1;
	if (slot->output >= 0 || slot->pidfd >= 0) return;
	if (write(ended[1], &slot->job, sizeof slot->job) < 0) err(1, "write");
	slot->job = 0;
}

static void *run_jobs(void *unused) {
	struct epoll_event events[SLOTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	watch(epoll, to_start[0], NULL);
	for (;;) {
		int count = epoll_wait(epoll, events, SLOTS, -1);
		for (int i = 0; i < count; i++) if (events[i].data.ptr) look(events[i].data.ptr);
		for (int job; read(to_start[0], &job, sizeof job) > 0;) start(epoll, null, job);
	}
	return unused;
}

/* Jobs and their journal */

static int *bucket_of(const char *name) {
	unsigned hash = 5381;
	while (*name) hash = hash * 33 + (unsigned char)*name++;
	return &buckets[hash % BUCKETS];
}

static int find(uint64_t dir, const char *name) {
	int number = *bucket_of(name);
	while (number && (jobs[number].dir != dir || strcmp(jobs[number].name, name) != 0)) {
		number = jobs[number].next;
	}
	return number;
}

static int add(const char *name) {
	if (job_count == MAX_JOBS) errx(1, "too many jobs");
	struct job *job = &jobs[++job_count];
	snprintf(job->name, NAME_BYTES, "%.*s", NAME_BYTES - 1, name);
	job->dir = PENDING;
	job->next = *bucket_of(name);
	return *bucket_of(name) = job_count;
}

static void record(uint32_t what, uint32_t number, const void *bytes, uint32_t size) {
	uint32_t head[] = {what, number, size};
	if (records_size + sizeof head + size > RECORDS_BYTES) errx(1, "too much at once");
	memcpy(records + records_size, head, sizeof head);
	memcpy(records + records_size + sizeof head, bytes, size);
	records_size += sizeof head + size;
}

static void start_jobs(void) {
	for (; running < max_job_count && first_waiting <= job_count; first_waiting++) {
		struct job *job = &jobs[first_waiting];
		if (!job->dir) continue;
		if (!job->is_submitted) return; /* It keeps its place in the line. */
		record(FUSE_OPEN, first_waiting, NULL, 0);
		running++;
		if (write(to_start[1], &first_waiting, sizeof first_waiting) < 0) err(1, "write");
	}
}

static void end_jobs(void) {
	for (int number; read(ended[0], &number, sizeof number) > 0;) {
		record(FUSE_RELEASE, number, jobs[number].output, jobs[number].output_size);
		jobs[number].dir = COMPLETE;
		running--;
		start_jobs();
	}
}

/* Requests */

static void reply(uint64_t unique, int error, const void *body, size_t size) {
	static char message[sizeof(struct fuse_out_header) + REPLY_BYTES];
	struct fuse_out_header head = {.len = sizeof head + size, .error = -error, .unique = unique};
	memcpy(message, &head, sizeof head);
	memcpy(message + sizeof head, body, size);
	if (write(fuse, message, head.len) < 0 && errno != ENOENT) err(1, "reply");
}

static void sync_journal(void) {
	if (fdatasync(journal) < 0) err(1, "fdatasync");
	is_dirty = 0;
}

/* One write, and at most one sync, for all that one drain has brought. */
static void commit(void) {
	if (records_size > 0) {
		if (journal_at + records_size > JOURNAL_BYTES) journal_at = 0;
		if (pwrite(journal, records, records_size, journal_at) < 0) err(1, "journal");
		journal_at += records_size;
		records_size = 0;
		is_dirty = 1;
	}
	if (held_count == 0) return;
	sync_journal();
	for (int i = 0; i < held_count; i++) {
		struct fuse_write_out out = {.size = held[i].size};
		reply(held[i].unique, 0, &out, out.size ? sizeof out : 0);
	}
	held_count = 0;
}

/* `size`: of a WRITE, 0 for a FLUSH. */
static void reply_once_synced(uint64_t unique, uint32_t size) {
	held[held_count].unique = unique;
	held[held_count++].size = size;
	if (held_count == sizeof held / sizeof *held) commit();
}

static struct job *job_of(uint64_t nodeid) {
	return &jobs[(nodeid - FIRST_JOB) / 2];
}

static struct fuse_attr attributes(uint64_t nodeid) {
	struct fuse_attr attr = {.ino = nodeid, .nlink = 1, .blksize = 4096, .mode = S_IFREG | 0644};
	if (nodeid < CONFIG) attr.mode = S_IFDIR | 0755, attr.nlink = 2;
	else if (nodeid >= FIRST_JOB) attr.size = nodeid & 1 ? job_of(nodeid)->output_size : job_of(nodeid)->size;
	return attr;
}

static struct fuse_entry_out entry(uint64_t nodeid, uint64_t valid_s) {
	return (struct fuse_entry_out){.nodeid = nodeid, .entry_valid = valid_s, .attr = attributes(nodeid)};
}

static void look_up(uint64_t unique, uint64_t dir, const char *name) {
	static const char *const NAMES[] =
		{[PENDING] = "pending", [COMPLETE] = "complete", [CONFIG] = "config.json"};
	struct fuse_entry_out out = {0};
	if (dir == FUSE_ROOT_ID) {
		for (int i = PENDING; i <= CONFIG; i++) if (strcmp(name, NAMES[i]) == 0) out = entry(i, 1 << 20);
	} else {
		int number = find(dir, name);
		if (number) out = entry(FIRST_JOB + 2 * number + (dir == COMPLETE), 0);
	}
	if (out.nodeid) reply(unique, 0, &out, sizeof out);
	else reply(unique, ENOENT, NULL, 0);
}

static void create(uint64_t unique, const char *name) {
	struct { struct fuse_entry_out entry; struct fuse_open_out open; } out = {0};
	int number = add(name);
	out.entry = entry(FIRST_JOB + 2 * number, CREATED_NAME_S);
	reply(unique, 0, &out, sizeof out);
}

static void write_file(uint64_t unique, uint64_t nodeid, const struct fuse_write_in *in) {
	const char *bytes = (const char *)(in + 1);
	struct fuse_write_out out = {.size = in->size};
	if (nodeid == CONFIG) {
		const char *colon = memchr(bytes, ':', in->size);
		if (colon) max_job_count = atol(colon + 1);
		if (max_job_count > SLOTS) max_job_count = SLOTS;
		reply(unique, 0, &out, sizeof out);
		return start_jobs();
	}
	struct job *job = job_of(nodeid);
	if (in->offset + in->size >= TEXT_BYTES) return reply(unique, EFBIG, NULL, 0);
	int is_first = job->size == 0;
	memcpy(job->command + in->offset, bytes, in->size);
	job->size = in->offset + in->size;
	record(FUSE_WRITE, job - jobs, bytes, in->size);
	if (is_first) reply_once_synced(unique, in->size);
	else reply(unique, 0, &out, sizeof out);
}

static void flush(uint64_t unique, uint64_t nodeid) {
	if (nodeid == CONFIG || job_of(nodeid)->size == 0) return reply(unique, 0, NULL, 0);
	record(FUSE_FLUSH, job_of(nodeid) - jobs, job_of(nodeid)->name, strlen(job_of(nodeid)->name));
	reply_once_synced(unique, 0);
}

static void release(uint64_t unique, uint64_t nodeid) {
	reply(unique, 0, NULL, 0);
	if (nodeid == CONFIG || nodeid & 1) return;
	job_of(nodeid)->is_submitted = 1;
	start_jobs();
}

static void list(uint64_t unique, uint64_t dir, const struct fuse_read_in *in) {
	static char names[REPLY_BYTES];
	size_t size = 0, room = in->size < REPLY_BYTES ? in->size : REPLY_BYTES;
	for (int i = in->offset + 1; i <= job_count; i++) {
		if (jobs[i].dir != dir) continue;
		struct fuse_dirent *next = (void *)(names + size);
		size_t length = strlen(jobs[i].name), needed = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + length);
		if (size + needed > room) break;
		*next = (struct fuse_dirent){.ino = FIRST_JOB + 2 * i, .off = i, .namelen = length, .type = S_IFREG >> 12};
		memcpy(next->name, jobs[i].name, length);
		size += needed;
	}
	reply(unique, 0, names, size);
}

static void init(uint64_t unique, const struct fuse_init_in *in) {
	struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_readahead = in->max_readahead};
	out.flags = in->flags & (FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DONT_MASK |
		FUSE_AUTO_INVAL_DATA | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES);
	out.max_background = 64;
	out.congestion_threshold = 48;
	out.max_write = 131072;
	out.max_pages = 32;
	out.time_gran = 1000;
	reply(unique, 0, &out, sizeof out);
}

static void handle(const struct fuse_in_header *request) {
	const void *body = request + 1;
	uint64_t unique = request->unique, nodeid = request->nodeid;
	struct fuse_attr_out attr = {.attr_valid = nodeid < CONFIG};
	struct fuse_open_out opened = {.open_flags = nodeid == CONFIG ? FOPEN_DIRECT_IO : 0};
	struct fuse_statfs_out statfs = {0};
	switch (request->opcode) {
	case FUSE_INIT: return init(unique, body);
	case FUSE_LOOKUP: return look_up(unique, nodeid, body);
	case FUSE_CREATE: return create(unique, (const char *)body + sizeof(struct fuse_create_in));
	case FUSE_WRITE: return write_file(unique, nodeid, body);
	case FUSE_FLUSH: return flush(unique, nodeid);
	case FUSE_RELEASE: return release(unique, nodeid);
	case FUSE_READDIR: return list(unique, nodeid, body);
	case FUSE_GETATTR: case FUSE_SETATTR:
		attr.attr = attributes(nodeid);
		return reply(unique, 0, &attr, sizeof attr);
	case FUSE_OPEN: case FUSE_OPENDIR: return reply(unique, 0, &opened, sizeof opened);
	case FUSE_STATFS: return reply(unique, 0, &statfs, sizeof statfs);
	case FUSE_READ: case FUSE_RELEASEDIR: return reply(unique, 0, NULL, 0);
	case FUSE_FORGET: case FUSE_BATCH_FORGET: case FUSE_INTERRUPT: return;
	default: return reply(unique, ENOSYS, NULL, 0);
	}
}

static void serve(void) {
	static char request[REQUEST_BYTES] __attribute__((aligned(8)));
	struct pollfd wanted[] = {{.fd = fuse, .events = POLLIN}, {.fd = ended[0], .events = POLLIN}};
	for (int64_t last = now();;) {
		ssize_t size;
		int is_active = 0;
		while ((size = read(fuse, request, sizeof request)) > 0) {
			request[size] = 0;
			handle((void *)request);
			is_active = 1;
		}
		if (errno == ENODEV) return;
		end_jobs();
		commit();
		if (is_active) last = now();
		else if (now() - last > SPIN_NS && poll(wanted, 2, is_dirty ? PROMPT_MS : -1) == 0) sync_journal();
	}
}

int main(int argc, char **argv) {
	char options[128];
	pthread_t thread;
	if (argc != 3) errx(2, "see the top of floor.c");
	journal = open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	for (off_t at = 0; at < JOURNAL_BYTES; at += sizeof records) {
		if (pwrite(journal, records, sizeof records, at) < 0) err(1, "%s", argv[2]);
	}
	if (fsync(journal) < 0) err(1, "%s", argv[2]);
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	snprintf(options, sizeof options,
		"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", fuse);
	if (mount("floor", argv[1], "fuse.floor", MS_NOSUID | MS_NODEV, options) < 0) err(1, "mount %s", argv[1]);
	if (pipe2(to_start, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(ended, O_CLOEXEC | O_NONBLOCK) < 0) err(1, "pipe2");
	if (pthread_create(&thread, NULL, run_jobs, NULL) != 0) errx(1, "pthread_create");
	puts("mounted");
	fflush(stdout);
	serve();
	return 0;
}
