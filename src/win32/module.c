/* SPDX-License-Identifier: MIT
 *
 * module.c - the library as a part of the process, and calls that not every Windows has.
 */
#include "win32.h"

#include <stdatomic.h>

typedef BOOL WINAPI prefetch_call(HANDLE process, ULONG_PTR count, WIN32_MEMORY_RANGE_ENTRY *ranges, ULONG flags);
typedef BOOLEAN NTAPI ending_call(void);

/* Through a type that converts to any other function's. */
typedef void any_call(void);

static any_call *look_up(const wchar_t *library, const char *name) {
  HMODULE module = GetModuleHandleW(library);
  return module != NULL ? (any_call *)GetProcAddress(module, name) : NULL;
}

premap__status premap__win32_prefetch(void *address, size_t size) {
  static _Atomic(any_call *) known; /* relaxed: who misses the news finds it out itself */
  any_call *call = atomic_load_explicit(&known, memory_order_relaxed);
  if (call == NULL) {
    call = look_up(L"kernel32.dll", "PrefetchVirtualMemory");
    if (call == NULL)
      return premap__os_error(ERROR_CALL_NOT_IMPLEMENTED); /* before Windows 8 */
    atomic_store_explicit(&known, call, memory_order_relaxed);
  }
  WIN32_MEMORY_RANGE_ENTRY range = {.VirtualAddress = address, .NumberOfBytes = size};
  return ((prefetch_call *)call)(GetCurrentProcess(), 1, &range, 0) ? premap__win32_well : premap__win32_last_error();
}

/* A thread of the pool may be in it until the process ends, and no caller can know when it has left. */
void premap__os_stay_loaded(void) {
  HMODULE module;
  DWORD flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN;
  /* Fails only for an address in no module. */
  (void)GetModuleHandleExW(flags, (const wchar_t *)(const void *)&premap__win32_well, &module);
}

/* There is no fork. */
premap__status premap__os_at_fork(void (*prepare)(void), void (*in_parent)(void), void (*in_child)(void)) {
  (void)prepare;
  (void)in_parent;
  (void)in_child;
  return premap__win32_well;
}

/* A DLL's functions of atexit run when it is detached: after the end of all other threads, if the process ends. */
bool premap__os_threads_are_gone(void) {
  any_call *call = look_up(L"ntdll.dll", "RtlDllShutdownInProgress");
  return call != NULL && ((ending_call *)call)() != 0;
}
