/** Ways out of the sandbox, as commands of a job. Each is one that an unsandboxed job takes. */

/** Who can take it without a sandbox: a job of root, one of an ordinary user, or both. */
export type Who = "root" | "user";

export interface Escape {
  name: string;
  by: readonly Who[];
  /**
   * Exits with 0 if it got out. `$OUT` is a directory outside of the rules, with files of one line; `$RW`, `$RO` and `$TOOLS`
   * are those of `--rw`, `--ro` and `--exec`. The job of the same user with the process number `$VICTIM` tells whether it was signalled.
   */
  command: string;
  /** A condition of sh for what the escape has done; else it prints what the files of `$OUT` have, or `$PROOF`. */
  effect?: string;
  /** It fails as the program may not be executed. */
  isAboutExecution?: true;
}

/** Asks the victim whether it was signalled. */
const HEARD = 'echo > $RW/ask && read -r heard < $RW/answer && echo "$heard" && [ "$heard" != none ]';
/** Where a process has memory. */
const memoryOf = (pid: string) => `$(sed 's/-.*//;q' /proc/${pid}/maps)`;
/** Succeeds if a command of sh does for any thread of the daemon. */
const forAnyThread = (command: string) =>
  `{ did=; for thread in $(ls /proc/$DAEMON/task); do ${command} && did=1; done; [ $did ]; }`;
const ANYBODY = ["root", "user"] as const;
const ROOT = ["root"] as const;
const USER = ["user"] as const;

export const ESCAPES: readonly Escape[] = [
  // files
  { name: "read a file", by: ANYBODY, command: "cat $OUT/secret" },
  { name: "read a file from its directory", by: ANYBODY, command: "cd $OUT && cat secret" },
  { name: "read a file in a session of its own", by: ANYBODY, command: "setsid -w cat $OUT/secret" },
  { name: "read a file through /proc/self/root", by: ANYBODY, command: "cat /proc/self/root$OUT/secret" },
  {
    name: "read a file through a descriptor of its place",
    by: ANYBODY,
    command: "$TOOLS/attempt show-by-place $OUT/secret",
  },
  { name: "read a file by its handle", by: ROOT, command: "$TOOLS/attempt show-by-handle $OUT/secret $RW" },
  {
    name: "read a file through a symbolic link",
    by: ANYBODY,
    command: "ln -s $OUT/secret $RW/to-read && cat $RW/to-read",
  },
  {
    name: "write a file through a symbolic link",
    by: ANYBODY,
    command: "ln -s $OUT/linked $RW/to-write && echo x > $RW/to-write",
    effect: "grep -q x $OUT/linked",
  },
  {
    name: "read a file through a hard link",
    by: ANYBODY,
    command: "ln $OUT/secret $RW/hard && cat $RW/hard",
  },
  { name: "list a directory", by: ANYBODY, command: "ls $OUT/ | grep -q secret && echo $PROOF" },
  { name: "create a file", by: ANYBODY, command: "echo x > $OUT/created", effect: "test -e $OUT/created" },
  {
    name: "create a file without a name, and name it",
    by: ANYBODY,
    command: "$TOOLS/attempt link-nameless $RW $OUT/named",
    effect: "test -e $OUT/named",
  },
  {
    name: "overwrite a file",
    by: ANYBODY,
    command: "echo x > $OUT/overwritten",
    effect: "grep -q x $OUT/overwritten",
  },
  {
    name: "append to a file",
    by: ANYBODY,
    command: "echo x >> $OUT/appended",
    effect: "grep -q x $OUT/appended",
  },
  {
    name: "write to a file that may be read",
    by: ANYBODY,
    command: "echo x >> $RO/appended",
    effect: "grep -q x $RO/appended",
  },
  {
    name: "truncate a file by its name",
    by: ANYBODY,
    command: "$TOOLS/attempt truncate $OUT/truncated",
    effect: "! test -s $OUT/truncated",
  },
  { name: "remove a file", by: ANYBODY, command: "rm -f $OUT/removed", effect: "! test -e $OUT/removed" },
  {
    name: "make a directory",
    by: ANYBODY,
    command: "mkdir $OUT/directory",
    effect: "test -d $OUT/directory",
  },
  { name: "remove a directory", by: ANYBODY, command: "rmdir $OUT/empty", effect: "! test -e $OUT/empty" },
  {
    name: "make a symbolic link",
    by: ANYBODY,
    command: "ln -s x $OUT/symlink",
    effect: "test -L $OUT/symlink",
  },
  { name: "make a FIFO", by: ANYBODY, command: "mkfifo $OUT/fifo", effect: "test -p $OUT/fifo" },
  {
    name: "move a file in",
    by: ANYBODY,
    command: "$TOOLS/attempt rename $OUT/moved $RW/moved && cat $RW/moved",
    effect: "! test -e $OUT/moved",
  },
  {
    name: "move a file out",
    by: ANYBODY,
    command: "echo x > $RW/out && $TOOLS/attempt rename $RW/out $OUT/out",
    effect: "test -e $OUT/out",
  },
  {
    name: "move a file from where it may be read to where it may be written",
    by: ANYBODY,
    command: "$TOOLS/attempt rename $RO/moved $RW/from-ro",
    effect: "! test -e $RO/moved",
  },
  {
    name: "exchange two files",
    by: ANYBODY,
    command: "echo x > $RW/exchanged && $TOOLS/attempt exchange $RW/exchanged $OUT/exchanged",
    effect: "grep -q x $OUT/exchanged",
  },
  {
    name: "link a file from where it may be read to where it may be written",
    by: ANYBODY,
    command: "ln $RO/linked $RW/from-ro-linked && echo x >> $RW/from-ro-linked",
    effect: "grep -q x $RO/linked",
  },

  // devices and programs
  { name: "read a device", by: ANYBODY, command: "head -c 1 /dev/zero > $RW/zero-byte && echo $PROOF" },
  { name: "make a device", by: ROOT, command: "mknod $RW/device c 1 5", effect: "test -c $RW/device" },
  {
    name: "execute what it has written",
    by: ANYBODY,
    command: "cp $TOOLS/attempt $RW/program && $RW/program euid && echo $PROOF",
    isAboutExecution: true,
  },
  {
    name: "execute what it may read",
    by: ANYBODY,
    command: "$RO/program euid && echo $PROOF",
    isAboutExecution: true,
  },
  {
    name: "become root by a setuid program",
    by: USER,
    command: "$TOOLS/setuid euid | grep -qx 'euid 0' && echo $PROOF",
  },

  // the queue
  { name: "read the state file", by: ROOT, command: "head -c 15 $STATE > $RW/state && echo $PROOF" },
  { name: "write to the state file", by: ROOT, command: ": >> $STATE && echo $PROOF" },
  { name: "list the queue", by: ANYBODY, command: "ls $MNT/active && echo $PROOF" },
  { name: "read another job's log", by: ANYBODY, command: "cat $MNT/active/$VICTIM_ID && echo $PROOF" },
  { name: "read the settings", by: ANYBODY, command: "cat $MNT/config.json && echo $PROOF" },
  {
    name: "change the settings",
    by: ROOT,
    command: `echo '{"timeout_sec": 1000}' > $MNT/config.json`,
    effect: "grep -q 1000 $MNT/config.json",
  },
  { name: "take an id", by: ANYBODY, command: "cat $MNT/new-id && echo $PROOF" },
  {
    name: "submit a job",
    by: ANYBODY,
    command: "echo true > $MNT/pending/.from-$WHO",
    effect: "test -e $MNT/pending/.from-$WHO",
  },
  {
    name: "rename a job",
    by: ANYBODY,
    command: "mv $MNT/pending/.renamed-$WHO $MNT/pending/.new-$WHO",
    effect: "test -e $MNT/pending/.new-$WHO",
  },
  {
    name: "kill another job through the queue",
    by: ANYBODY,
    command: "rm -f $MNT/active/prey-$WHO",
    effect: "! test -e $MNT/active/prey-$WHO",
  },

  // other processes
  {
    name: "read the environment of another job",
    by: ANYBODY,
    command: "grep -q FILED_RUN /proc/$VICTIM/environ && echo $PROOF",
  },
  {
    name: "read the environment of the daemon",
    by: ROOT,
    command: "grep -q PATH /proc/$DAEMON/environ && echo $PROOF",
  },
  {
    name: "read a file through the root of another job",
    by: ANYBODY,
    command: "cat /proc/$VICTIM/root$OUT/secret",
  },
  {
    name: "read a file through the root of the daemon",
    by: ROOT,
    command: "cat /proc/$DAEMON/root$OUT/secret",
  },
  {
    name: "see what descriptors are of another job",
    by: ANYBODY,
    command: "readlink /proc/$VICTIM/fd/0 && echo $PROOF",
  },
  {
    name: "see what descriptors are of the daemon",
    by: ROOT,
    command: "readlink /proc/$DAEMON/fd/0 && echo $PROOF",
  },
  {
    name: "take a descriptor of another job",
    by: ANYBODY,
    command: "$TOOLS/attempt take-descriptor $VICTIM && echo $PROOF",
  },
  {
    name: "take a descriptor of the daemon",
    by: ROOT,
    command: "$TOOLS/attempt take-descriptor $DAEMON && echo $PROOF",
  },
  { name: "trace another job", by: ANYBODY, command: "$TOOLS/attempt trace $VICTIM && echo $PROOF" },
  { name: "trace the daemon", by: ROOT, command: "$TOOLS/attempt trace $DAEMON && echo $PROOF" },
  {
    name: "read the memory of another job",
    by: ANYBODY,
    command: `$TOOLS/attempt read-memory $VICTIM ${memoryOf("$VICTIM")} && echo $PROOF`,
  },
  {
    name: "read the memory of the daemon",
    by: ROOT,
    command: `$TOOLS/attempt read-memory $DAEMON ${memoryOf("$DAEMON")} && echo $PROOF`,
  },
  {
    name: "write to the memory of another job",
    by: ANYBODY,
    command: ": >> /proc/$VICTIM/mem && echo $PROOF",
  },
  {
    name: "read the memory of a thread of the daemon",
    by: ROOT,
    command: `${forAnyThread(`$TOOLS/attempt read-memory $thread ${memoryOf("$thread")}`)} && echo $PROOF`,
  },
  { name: "signal another job", by: ANYBODY, command: `kill -s USR1 $VICTIM && ${HEARD}` },
  {
    name: "signal another job by a pipe",
    by: ANYBODY,
    command: `$TOOLS/attempt signal-by-pipe $VICTIM && ${HEARD}`,
  },
  { name: "signal the group of another job", by: ANYBODY, command: `kill -s USR1 -- -$VICTIM && ${HEARD}` },
  {
    name: "signal a thread of the daemon",
    by: ROOT,
    command: `${forAnyThread("kill -s CONT $thread")} && echo $PROOF`,
  },
  { name: "signal the daemon", by: ROOT, command: "kill -s CONT $DAEMON && echo $PROOF" },

  // mounts and namespaces
  {
    name: "mount",
    by: ROOT,
    command: "mount -t tmpfs none $OUT/to-mount",
    effect: "mountpoint -q $OUT/to-mount",
  },
  {
    name: "mount what is outside within",
    by: ROOT,
    command: "mkdir $RW/bound && mount --bind $OUT $RW/bound && cat $RW/bound/secret",
  },
  {
    name: "remount",
    by: ROOT,
    command: "mount -o remount,ro $OUT/mounted",
    effect: "! touch $OUT/mounted/x",
  },
  { name: "unmount", by: ROOT, command: "umount $OUT/to-unmount", effect: "! mountpoint -q $OUT/to-unmount" },
  { name: "change the root", by: ROOT, command: "chroot / /bin/cat $OUT/secret" },
  {
    name: "change the root in a user namespace",
    by: ANYBODY,
    command: "unshare --user --map-root-user chroot / /bin/cat $OUT/secret",
  },
  {
    name: "read a file in a user namespace",
    by: ANYBODY,
    command: "unshare --user --map-root-user cat $OUT/secret",
  },
  {
    name: "mount in a user namespace",
    by: ANYBODY,
    command: "unshare --user --map-root-user --mount mount -t tmpfs none $RW && echo $PROOF",
  },
  {
    name: "enter the daemon's namespaces",
    by: ROOT,
    command: "nsenter --target $DAEMON --mount cat $OUT/secret",
  },

  // sockets
  { name: "connect to a TCP port", by: ANYBODY, command: "$TOOLS/attempt connect-tcp $PORT && echo $PROOF" },
  { name: "bind a TCP port", by: ANYBODY, command: "$TOOLS/attempt bind-tcp $FREE_PORT && echo $PROOF" },
  { name: "bind any TCP port", by: ANYBODY, command: "$TOOLS/attempt bind-tcp 0 && echo $PROOF" },
  {
    name: "connect to an abstract socket",
    by: ANYBODY,
    command: "$TOOLS/attempt connect-abstract $SOCKET && echo $PROOF",
  },
  {
    name: "send to an abstract socket",
    by: ANYBODY,
    command: "$TOOLS/attempt send-abstract $SOCKET-datagram && echo $PROOF",
  },
];
