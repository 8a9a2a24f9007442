import { DEFAULT_GRACE_SEC, LOG_FORMATS, LOG_LEVELS, RUN_AS_POLICIES } from "../settings.ts";

export const HELP = `Usage: filed [OPTION]... MOUNTPOINT

Mounts a job queue as a directory, and runs what is put into it.

  printf 'make all' > MOUNTPOINT/pending/build    submit a job, named "build"
  cat MOUNTPOINT/active/build                     its log while it runs
  ls MOUNTPOINT/complete MOUNTPOINT/failed        the jobs that ended
  mv MOUNTPOINT/failed/build MOUNTPOINT/pending   try again
  rm MOUNTPOINT/active/build                      kill
  cat MOUNTPOINT/config.json                      settings; write to change

Options:
  -s, --state FILE         keep the queue in FILE; else in $FILED_STATE_FILE,
                           $XDG_DATA_HOME/filed.db or ~/.local/share/filed.db
  -g, --grace SECONDS      at a stop, let running jobs go on so long (${DEFAULT_GRACE_SEC})
  -o allow_other           admit other users; mounts of root always do
      --run-as WHO         whom root runs jobs as: ${RUN_AS_POLICIES.join(", ")} (owner)
      --env KEY[=VALUE]    give jobs this variable, or what filed has as KEY
      --clear-env          give jobs no other variables of filed's than those
      --sandbox[=require]  confine jobs to --ro PATH, --rw PATH, --exec PATH,
                           --connect PORT, --bind PORT, each as often as needed
      --exec-dir DIR       where scripts and programs are put to be executed
      --log-level LEVEL    ${LOG_LEVELS.join(", ")} (info)
      --log-format FORMAT  ${LOG_FORMATS.join(", ")} (text)
  -h, --help               print this and exit
  -V, --version            print the version and exit
      --man                print the manual and exit: filed --man | man -l -

Runs in the foreground and logs to standard error. SIGTERM or SIGINT stops it,
a second one hurries.
`;
