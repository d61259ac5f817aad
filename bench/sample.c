/* SPDX-License-Identifier: MIT
 *
 * sample.c - runs a contestant in a process of its own and takes its costs or its checksums.
 */
#include "sample.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "apart.h"
#include "cache.h"
#include "checksum.h"
#include "harness.h"

enum { PAGE = 4096, LIMIT_S = 600 };

const char *const bench_cost_names[BENCH_COSTS] = {
    [BENCH_WALL_MS] = "wall_ms",
    [BENCH_READY_MS] = "ready_ms",
    [BENCH_PROCESSOR_MS] = "processor_ms",
    [BENCH_MINOR_FAULTS] = "minor_faults",
    [BENCH_MAJOR_FAULTS] = "major_faults",
    [BENCH_VOLUNTARY_SWITCHES] = "voluntary_switches",
    [BENCH_INVOLUNTARY_SWITCHES] = "involuntary_switches",
};

/* ---- Timing */

struct turn {
  const bench_contestant *contestant;
  const bench_workload *workload;
};

static void touch(const bench_job *job, size_t file, uint64_t offset, const void *data, size_t size) {
  (void)job, (void)file, (void)offset;
  bench_touch(data, size, PAGE);
}

/* Notes the time too. With many files it would tell little, and weigh with small ones. */
static void touch_and_note(const bench_job *job, size_t file, uint64_t offset, const void *data, size_t size) {
  (void)file, (void)offset;
  _Atomic uint64_t *latest_ns = job->context;
  uint64_t now_ns = bench_now_ns(), before = atomic_load(latest_ns);
  while (now_ns > before && !atomic_compare_exchange_weak(latest_ns, &before, now_ns))
    ;
  bench_touch(data, size, PAGE);
}

static double milliseconds(struct timeval time) {
  return (double)time.tv_sec * 1e3 + (double)time.tv_usec * 1e-3;
}

/* Adds what this process, or its ended children, have used so far. */
static void add_usage(int who, double sign, double *costs) {
  struct rusage usage;
  getrusage(who, &usage);
  costs[BENCH_PROCESSOR_MS] += sign * (milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime));
  costs[BENCH_MINOR_FAULTS] += sign * (double)usage.ru_minflt;
  costs[BENCH_MAJOR_FAULTS] += sign * (double)usage.ru_majflt;
  costs[BENCH_VOLUNTARY_SWITCHES] += sign * (double)usage.ru_nvcsw;
  costs[BENCH_INVOLUNTARY_SWITCHES] += sign * (double)usage.ru_nivcsw;
}

static int run_timed(void *context, void *answer) {
  const struct turn *turn = context;
  double *costs = answer;
  _Atomic uint64_t latest_ns = 0;
  bench_job job = {
      .workload = turn->workload, .visit = turn->workload->count == 1 ? touch_and_note : touch, .context = &latest_ns};
  int result = turn->contestant->prepare != NULL ? turn->contestant->prepare() : 0;
  if (result != 0)
    return result;
  for (size_t cost = 0; cost < BENCH_COSTS; cost++)
    costs[cost] = 0;
  add_usage(RUSAGE_SELF, -1, costs);
  add_usage(RUSAGE_CHILDREN, -1, costs);
  uint64_t begin = bench_now_ns();
  result = turn->contestant->load(&job);
  costs[BENCH_WALL_MS] = bench_seconds_since(begin) * 1e3;
  costs[BENCH_READY_MS] = latest_ns > 0 ? (double)(latest_ns - begin) * 1e-6 : NAN;
  add_usage(RUSAGE_SELF, 1, costs);
  add_usage(RUSAGE_CHILDREN, 1, costs);
  return result;
}

bench_sample bench_sample_take(const bench_contestant *contestant, const bench_workload *workload) {
  struct turn turn = {contestant, workload};
  bench_sample sample = {BENCH_COUNTS, 0, {0}};
  sample.code = bench_apart(run_timed, &turn, sample.costs, sizeof sample.costs, LIMIT_S);
  if (sample.code != 0)
    sample.status = BENCH_FAILED;
  return sample;
}

/* ---- Verifying */

/* Of each file, shared with the child. */
struct shown {
  _Atomic uint64_t sum;
  _Atomic uint64_t bytes;
};

struct verification {
  const bench_contestant *contestant;
  const bench_workload *workload;
  struct shown *shown;
};

static void sum_up(const bench_job *job, size_t file, uint64_t offset, const void *data, size_t size) {
  struct shown *shown = (struct shown *)job->context + file;
  atomic_fetch_add(&shown->sum, bench_checksum(offset, data, size));
  atomic_fetch_add(&shown->bytes, size);
}

static int run_verifying(void *context, void *answer) {
  (void)answer;
  const struct verification *verification = context;
  bench_job job = {.workload = verification->workload, .visit = sum_up, .context = verification->shown};
  return verification->contestant->load(&job);
}

static int compare(const bench_workload *workload, struct shown *shown) {
  for (size_t i = 0; i < workload->count; i++) {
    if (atomic_load(&shown[i].bytes) == workload->files[i].size && atomic_load(&shown[i].sum) == workload->files[i].sum)
      continue;
    fprintf(stderr, "wrong bytes of '%s': %llu were shown\n", workload->files[i].path,
            (unsigned long long)atomic_load(&shown[i].bytes));
    return -EBADMSG;
  }
  return 0;
}

static int verify_shown(const bench_contestant *contestant, const bench_workload *workload) {
  size_t size = workload->count * sizeof(struct shown);
  struct shown *shown = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shown == MAP_FAILED)
    return -errno;
  struct verification verification = {contestant, workload, shown};
  char nothing;
  int result = bench_apart(run_verifying, &verification, &nothing, sizeof nothing, LIMIT_S);
  if (result == 0)
    result = compare(workload, shown);
  munmap(shown, size);
  return result;
}

static int verify_cached(const bench_contestant *contestant, const bench_workload *workload) {
  int result = bench_workload_make_cold(workload);
  struct verification verification = {contestant, workload, NULL};
  char nothing;
  if (result == 0)
    result = bench_apart(run_verifying, &verification, &nothing, sizeof nothing, LIMIT_S);
  uint64_t resident = 0;
  for (size_t i = 0; result == 0 && i < workload->count; i++) {
    int64_t bytes = bench_resident(workload->files[i].path);
    resident += bytes > 0 ? (uint64_t)bytes : 0;
  }
  if (result == 0 && resident < workload->bytes - workload->bytes / 100)
    result = -EBADMSG;
  return result == BENCH_VOID ? -EAGAIN : result;
}

int bench_sample_verify(const bench_contestant *contestant, const bench_workload *workload) {
  bool is_command = (contestant->traits & BENCH_LEAVES_IN_CACHE) != 0;
  return is_command ? verify_cached(contestant, workload) : verify_shown(contestant, workload);
}
