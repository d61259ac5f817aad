/* SPDX-License-Identifier: MIT
 *
 * memory.c - memory that is left, and pauses of threads.
 */
#include "win32.h"

#include <psapi.h>

#ifndef CREATE_WAITABLE_TIMER_HIGH_RESOLUTION
#define CREATE_WAITABLE_TIMER_HIGH_RESOLUTION 0x2 /* since Windows 10, 1803 */
#endif

static uint64_t less(uint64_t from, uint64_t size) {
  return from > size ? from - size : 0;
}

static uint64_t smaller(uint64_t one, uint64_t other) {
  return one < other ? one : other;
}

/* What the limits of the job leave of private memory. Of the job's other processes nothing is known here, so its own limit is
 * taken as if there were none. */
static uint64_t job_available(uint64_t private_bytes) {
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION job;
  uint64_t limit = UINT64_MAX;
  if (!QueryInformationJobObject(NULL, JobObjectExtendedLimitInformation, &job, sizeof job, NULL))
    return limit; /* in no job */
  if ((job.BasicLimitInformation.LimitFlags & JOB_OBJECT_LIMIT_PROCESS_MEMORY) != 0)
    limit = smaller(limit, job.ProcessMemoryLimit);
  if ((job.BasicLimitInformation.LimitFlags & JOB_OBJECT_LIMIT_JOB_MEMORY) != 0)
    limit = smaller(limit, job.JobMemoryLimit);
  return limit == UINT64_MAX ? limit : less(limit, private_bytes);
}

/* Usually the working set may grow beyond its largest size while there is memory. */
static uint64_t working_set_available(uint64_t working_set) {
  SIZE_T least, most;
  DWORD flags;
  if (!GetProcessWorkingSetSizeEx(GetCurrentProcess(), &least, &most, &flags) || (flags & QUOTA_LIMITS_HARDWS_MAX_ENABLE) == 0)
    return UINT64_MAX;
  return less(most, working_set);
}

premap__os_memory premap__os_memory_available(void) {
  premap__os_memory available = {.for_copies = UINT64_MAX, .for_pages = UINT64_MAX, .counts_present_as_free = false};
  MEMORYSTATUSEX machine = {.dwLength = sizeof machine};
  if (GlobalMemoryStatusEx(&machine)) {
    available.for_copies = smaller(machine.ullAvailPhys, machine.ullAvailPageFile);
    available.for_pages = machine.ullAvailPhys;
  }
  PROCESS_MEMORY_COUNTERS_EX own = {.cb = sizeof own};
  if (GetProcessMemoryInfo(GetCurrentProcess(), (PROCESS_MEMORY_COUNTERS *)&own, sizeof own)) {
    available.for_copies = smaller(available.for_copies, job_available(own.PrivateUsage));
    available.for_pages = smaller(available.for_pages, working_set_available(own.WorkingSetSize));
  }
  return available;
}

size_t premap__os_map_limit(void) {
  return SIZE_MAX;
}

/* Sleep counts in ticks of up to 16 ms. */
static bool pause_exactly(uint32_t pause_us) {
  HANDLE timer = CreateWaitableTimerExW(NULL, NULL, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, TIMER_MODIFY_STATE | SYNCHRONIZE);
  if (timer == NULL)
    return false;
  LARGE_INTEGER due = {.QuadPart = -(LONGLONG)pause_us * 10}; /* negative: from now, in 100 ns */
  bool paused = SetWaitableTimer(timer, &due, 0, NULL, NULL, FALSE) && WaitForSingleObject(timer, INFINITE) == WAIT_OBJECT_0;
  CloseHandle(timer);
  return paused;
}

void premap__os_pause_us(uint32_t pause_us) {
  if (pause_us > 0 && !pause_exactly(pause_us))
    Sleep((pause_us + 999) / 1000);
}

void premap__os_yield(void) {
  (void)SwitchToThread();
}

void premap__os_leave_signals(void) {
  /* There are none: the system makes a thread for what is one elsewhere. */
}
