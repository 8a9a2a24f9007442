/** What config.json reads as before anybody changes it: written down here by hand, as the contract has it. */
export const DEFAULTS = {
  max_attempts: 3,
  timeout_sec: 180,
  max_job_count: 20,
  max_job_count_per_user: 0,
  max_pending_per_user: 0,
  max_log_mb_per_user: 0,
  backoff_base: 2,
  backoff_mult: 2,
  max_log_bytes: 16_777_216,
  max_memory_mb: 0,
  max_cpu_sec: 0,
  max_file_mb: 0,
  max_open_files: 0,
  nice: 0,
  at_most: {},
  pools: {},
};
