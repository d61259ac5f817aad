/* SPDX-License-Identifier: MIT
 *
 * test_fuse.c - a file system that fails, hangs and dies on command, served by a child process over /dev/fuse: needs root.
 */
#include "support.h"

#include <premap/uv.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fuse.h>
#include <linux/openat2.h>

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

/* ---- The file system: a root with one file, "file", of which the test says how it behaves */

enum { FILE_NODE = 2, SEED = 5, FILE_SIZE = 4 * MIB };

typedef struct behavior {
  _Atomic uint64_t fails_from;    /* reads that reach this byte give EIO */
  _Atomic bool holds;             /* reads report that they are here and wait to be let go */
  _Atomic uint64_t answers;       /* that somebody waited for */
  _Atomic uint64_t entry_valid_s; /* so long the kernel need not ask again where the file is */
} behavior;

static behavior *how;   /* shared with the server */
static int arrivals[2]; /* a byte comes for each read that is held */
static int releases[2]; /* a byte lets one go */
static pid_t server;

static void reply(int device, uint64_t unique, int error, const void *payload, size_t size) {
  static unsigned char buffer[sizeof(struct fuse_out_header) + MIB];
  struct fuse_out_header header = {.len = (uint32_t)(sizeof header + size), .error = -error, .unique = unique};
  memcpy(buffer, &header, sizeof header);
  if (size > 0)
    memcpy(buffer + sizeof header, payload, size);
  if (write(device, buffer, header.len) < 0 && errno != ENOENT)
    _exit(1); /* ENOENT: who asked was interrupted */
}

static struct fuse_attr attributes_of(uint64_t node) {
  struct fuse_attr attributes = {.ino = node, .nlink = 1, .blksize = 4096};
  attributes.mode = node == FILE_NODE ? S_IFREG | 0644 : S_IFDIR | 0755;
  attributes.size = node == FILE_NODE ? FILE_SIZE : 0;
  return attributes;
}

static void serve_read(int device, const struct fuse_in_header *header, const struct fuse_read_in *in) {
  static unsigned char bytes[MIB];
  char byte = 0;
  if (how->holds && (write(arrivals[1], &byte, 1) != 1 || read(releases[0], &byte, 1) != 1))
    _exit(1);
  uint64_t left = in->offset < FILE_SIZE ? FILE_SIZE - in->offset : 0;
  size_t size = in->size < left ? in->size : (size_t)left;
  if (size > sizeof bytes)
    size = sizeof bytes;
  if (in->offset + size > how->fails_from) {
    reply(device, header->unique, EIO, NULL, 0);
    return;
  }
  pattern_fill(bytes, size, SEED, in->offset);
  reply(device, header->unique, 0, bytes, size);
}

static void serve(int device, const struct fuse_in_header *header, const void *body) {
  uint64_t unique = header->unique;
  how->answers += header->opcode != FUSE_RELEASE && header->opcode != FUSE_FORGET && header->opcode != FUSE_BATCH_FORGET;
  if (header->opcode == FUSE_INIT) {
    const struct fuse_init_in *in = body;
    struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION};
    out.max_readahead = in->max_readahead;
    out.max_write = 64 * KIB;
    reply(device, unique, 0, &out, sizeof out);
  } else if (header->opcode == FUSE_LOOKUP && strcmp(body, "file") == 0) {
    struct fuse_entry_out out = {.nodeid = FILE_NODE, .attr = attributes_of(FILE_NODE), .entry_valid = how->entry_valid_s};
    reply(device, unique, 0, &out, sizeof out);
  } else if (header->opcode == FUSE_LOOKUP) {
    reply(device, unique, ENOENT, NULL, 0);
  } else if (header->opcode == FUSE_GETATTR) {
    struct fuse_attr_out out = {.attr = attributes_of(header->nodeid)};
    reply(device, unique, 0, &out, sizeof out);
  } else if (header->opcode == FUSE_OPEN) {
    struct fuse_open_out out = {.fh = 1};
    reply(device, unique, 0, &out, sizeof out);
  } else if (header->opcode == FUSE_READ) {
    serve_read(device, header, body);
  } else if (header->opcode == FUSE_RELEASE) {
    reply(device, unique, 0, NULL, 0);
  } else if (header->opcode != FUSE_FORGET && header->opcode != FUSE_BATCH_FORGET && header->opcode != FUSE_INTERRUPT) {
    reply(device, unique, ENOSYS, NULL, 0);
  }
}

/* It ends with the test: else it would keep the runner's output open, and whoever reads that waiting. */
static void run_server(int device, pid_t test) {
  static _Alignas(8) unsigned char request[128 * KIB];
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != test)
    _exit(1);
  for (;;) {
    ssize_t size = read(device, request, sizeof request);
    if (size < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN))
      continue;
    if (size < (ssize_t)sizeof(struct fuse_in_header))
      _exit(0); /* ENODEV: unmounted */
    serve(device, (const struct fuse_in_header *)request, request + sizeof(struct fuse_in_header));
  }
}

static void begin(void) {
  support_begin();
  path top = path_of("mount");
  int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  char data[128];
  snprintf(data, sizeof data, "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
  if (device < 0 || mkdir(top.text, 0755) != 0 || mount("premap", top.text, "fuse", MS_NOSUID | MS_NODEV, data) != 0) {
    close(device);
    return;
  }
  how = mmap(NULL, sizeof *how, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  cr_assert(how != MAP_FAILED && pipe(arrivals) == 0 && pipe(releases) == 0);
  how->fails_from = UINT64_MAX;
  pid_t test = getpid();
  server = fork();
  if (server == 0)
    run_server(device, test);
  close(device);
}

static void end_server(void) {
  kill(server, SIGKILL);
  waitpid(server, NULL, 0);
  server = 0;
}

static void end(void) {
  if (server > 0)
    end_server();
  (void)premap_shutdown(-1);
  if (how != NULL)
    umount2(path_of("mount").text, MNT_DETACH);
  support_end();
}

TestSuite(fuse, .init = begin, .fini = end, .timeout = SECONDS(120));

static path served_file(void) {
  if (how == NULL)
    cr_skip_test("SKIPPED: /dev/fuse cannot be used (it needs root)");
  return path_of("mount/file");
}

static void await_held_read(void) {
  char byte;
  cr_assert_eq(read(arrivals[0], &byte, 1), 1);
}

/* The server serves one read at a time, so one is held at most. */
static void let_reads_go(void) {
  how->holds = false;
  cr_assert_eq(write(releases[1], "", 1), 1);
}

/* ---- Well */

Test(fuse, its_files_load, .description = "every byte equal, mapped and copied") {
  path file = served_file();
  for (uint32_t backing = PREMAP_BACKING_MAPPED; backing <= PREMAP_BACKING_COPIED; backing++) {
    premap_options options = options_with(PREMAP_PREFAULT_POPULATE, (premap_backing)backing, PREMAP_READ_ONLY);
    premap_region region;
    premap_file handle = premap_load(file.text, &options, &region);
    cr_assert_gt(handle, 0, "%s", premap_err_name((int)handle));
    cr_expect(region.size == FILE_SIZE && pattern_equals(region.data, region.size, SEED, 0));
    cr_expect_eq(premap_close(handle), 0);
  }
}

static bool knows_the_way(const char *name) {
  struct open_how resolved = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED};
  int place = (int)syscall(SYS_openat2, AT_FDCWD, name, &resolved, sizeof resolved);
  return place >= 0 && close(place) == 0;
}

/* While the pool is busy. */
static void expect_no_question(const char *name, const premap_options *options) {
  premap_options slow = slow_options();
  slow.priority = PREMAP_PRIORITY_MAX;
  premap_file gate = premap_open(make_file("gate", SLOW_SIZE, 1).text, &slow);
  cr_assert(reaches_state(gate, PREMAP_LOADING));
  uint64_t before = how->answers;
  premap_file handle = premap_open(name, options);
  cr_assert_gt(handle, 0);
  cr_expect_eq(premap_state(handle), PREMAP_PENDING);
  cr_expect_eq(how->answers, before);
  cr_expect_eq(premap_close(gate), 0);
  premap_region region = {NULL, 0};
  cr_expect_eq(premap_wait(handle, 60000, &region), 0);
  cr_expect(region.size == 4096 && pattern_equals(region.data, region.size, SEED, 0));
  cr_expect_gt(how->answers, before);
  cr_expect_eq(premap_close(handle), 0);
}

Test(fuse, a_start_never_asks_the_server,
     .description = "PREMAP_INLINE_IF_CACHED queues the file, whether the kernel has to ask for the way or only at the open") {
  path file = served_file();
  if (!loads_inline()) {
    end(); /* which is not called after a test that is skipped */
    cr_skip_test("SKIPPED: here the system does not tell that a file is in memory");
  }
  set_pool_size("1");
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_COPIED, PREMAP_READ_ONLY);
  options.length = 4096;
  for (int i = 0; i < 2; i++) {
    how->entry_valid_s = i == 0 ? 0 : 3600;
    premap_file handle = premap_load(file.text, &options, NULL);
    cr_assert_gt(handle, 0);
    cr_expect_eq(premap_close(handle), 0);
    cr_expect_eq(knows_the_way(file.text), i > 0);
    for (int known_regular = 0; known_regular < 2; known_regular++) {
      premap_options start = options;
      start.flags = PREMAP_INLINE_IF_CACHED | (known_regular ? PREMAP_KNOWN_REGULAR : 0);
      expect_no_question(file.text, &start);
      cr_assert_eq(chdir(path_of("mount").text), 0);
      expect_no_question("file", &start);
      cr_assert_eq(chdir("/"), 0);
    }
  }
}

/* ---- Input/output errors */

static void expect_failure_at(const char *name, premap_backing backing, uint64_t offset, uint64_t failing) {
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, backing, PREMAP_READ_ONLY);
  options.offset = offset;
  how->fails_from = failing;
  premap_file handle = premap_open(name, &options);
  cr_expect_eq(premap_wait(handle, -1, NULL), PREMAP_EIO);
  premap_file_info info = info_of(handle);
  cr_expect_eq(info.step, (uint32_t)(backing == PREMAP_BACKING_COPIED ? PREMAP_STEP_READ : PREMAP_STEP_POPULATE));
  cr_expect_eq(info.error_offset, failing, "%llu is not %llu", (unsigned long long)info.error_offset,
               (unsigned long long)failing);
  char rest[128];
  snprintf(rest, sizeof rest, " at byte %llu: input/output error (EIO)", (unsigned long long)info.error_offset);
  expect_message(handle, backing == PREMAP_BACKING_COPIED ? "read" : "populate", name, rest);
  cr_expect_eq(premap_close(handle), 0);
}

Test(fuse, a_failing_page_is_named,
     .description = "EIO from some byte on: FAILED with EIO, the step, and the offset of the first page that failed") {
  path file = served_file();
  expect_failure_at(file.text, PREMAP_BACKING_MAPPED, 0, 3 * MIB);
  expect_failure_at(file.text, PREMAP_BACKING_MAPPED, 5000, 2 * MIB);
  expect_failure_at(file.text, PREMAP_BACKING_COPIED, 0, MIB);
  expect_failure_at(file.text, PREMAP_BACKING_COPIED, 5000, MIB);
  expect_failure_at(file.text, PREMAP_BACKING_MAPPED, 0, 0);
  expect_failure_at(file.text, PREMAP_BACKING_COPIED, 0, 0);
}

Test(fuse, later_errors_raise_no_signal,
     .description = "a file loaded without prefault: populate and copy_out of the bad part are EIO, of the good part well") {
  path file = served_file();
  static unsigned char buffer[MIB];
  premap_options options = options_with(PREMAP_PREFAULT_NONE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  premap_file handle = premap_load(file.text, &options, NULL);
  cr_assert_gt(handle, 0);
  how->fails_from = 2 * MIB;
  cr_expect_eq(premap_copy_out(handle, 3 * MIB, buffer, 1), PREMAP_EIO);
  cr_expect_eq(premap_copy_out(handle, 3 * MIB / 2, buffer, MIB), PREMAP_EIO);
  cr_expect_eq(premap_populate(handle, 0, 0), PREMAP_EIO);
  cr_expect_eq(premap_copy_out(handle, 0, buffer, MIB), 0);
  cr_expect(pattern_equals(buffer, MIB, SEED, 0));
  cr_expect_eq(premap_close(handle), 0);
}

/* ---- Reads that hang */

static premap_file open_held(const char *name, premap_backing backing) {
  premap_options options = options_with(PREMAP_PREFAULT_POPULATE, backing, PREMAP_READ_ONLY);
  how->holds = true;
  premap_file handle = premap_open(name, &options);
  cr_assert_gt(handle, 0);
  await_held_read();
  return handle;
}

Test(fuse, a_hanging_load_is_only_late,
     .description = "timed waits end, other files load meanwhile, and once the reads go on it is ready") {
  path file = served_file(), other = make_text("other", "hello");
  for (uint32_t backing = PREMAP_BACKING_MAPPED; backing <= PREMAP_BACKING_COPIED; backing++) {
    premap_file held = open_held(file.text, (premap_backing)backing), quick = premap_open(other.text, NULL);
    cr_expect_eq(premap_wait(quick, -1, NULL), 0);
    cr_expect_eq(premap_state(held), PREMAP_LOADING);
    cr_expect_eq(premap_wait(held, 10, NULL), PREMAP_ETIMEDOUT);
    let_reads_go();
    premap_region region;
    cr_expect_eq(premap_wait(held, -1, &region), 0);
    cr_expect(pattern_equals(region.data, region.size, SEED, 0));
    cr_expect_eq(premap_close(held), 0);
    cr_expect_eq(premap_close(quick), 0);
  }
}

Test(fuse, a_hanging_load_can_be_cancelled,
     .description = "cancel never waits for the kernel; the worker cleans up when it comes out") {
  path file = served_file();
  premap_file held = open_held(file.text, PREMAP_BACKING_MAPPED);
  cr_expect_eq(premap_cancel(held), 0);
  cr_expect_eq(premap_state(held), PREMAP_FAILED);
  cr_expect_eq(premap_wait(held, -1, NULL), PREMAP_ECANCELED);
  let_reads_go();
  cr_expect_eq(premap_shutdown(-1), 0);
  cr_expect_eq(mappings_left(), 0, "the mapping went before the close");
  cr_expect_eq(descriptors_left(), 0);
  cr_expect_eq(premap_close(held), 0);
}

Test(fuse, a_hanging_load_can_be_closed,
     .description = "close does not wait for the kernel either, and the handle is stale at once") {
  path file = served_file();
  premap_file held = open_held(file.text, PREMAP_BACKING_MAPPED);
  cr_expect_eq(premap_close(held), 0);
  cr_expect_eq(premap_state(held), PREMAP_EBADF);
  let_reads_go();
}

Test(fuse, shutdown_does_not_wait_for_ever,
     .description = "ETIMEDOUT while a worker hangs; afterwards, when it is back, 0, and loads work again") {
  path file = served_file(), other = make_text("other", "hello");
  premap_file held = open_held(file.text, PREMAP_BACKING_COPIED);
  cr_expect_eq(premap_shutdown(0), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_shutdown(20), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_wait(held, -1, NULL), PREMAP_ECANCELED);
  premap_file next = premap_open(other.text, NULL);
  cr_expect(next == PREMAP_ECANCELED || premap_wait(next, -1, NULL) == 0);
  if (next > 0)
    cr_expect_eq(premap_close(next), 0);
  let_reads_go();
  cr_expect_eq(premap_shutdown(-1), 0);
  next = premap_load(other.text, NULL, NULL);
  cr_expect_gt(next, 0);
  cr_expect_eq(premap_close(next), 0);
  cr_expect_eq(premap_close(held), 0);
}

typedef struct shutdowns {
  premap_file held;
  int results[2];
  bool let_go;
} shutdowns;

static void shut_down_together(void *shared, unsigned index) {
  shutdowns *all = shared;
  if (index == 0) {
    all->results[0] = premap_shutdown(-1);
  } else if (reaches_state(all->held, PREMAP_FAILED)) { /* by the first, which then waits for the worker */
    all->results[1] = premap_shutdown(0);
    how->holds = false;
    all->let_go = write(releases[1], "", 1) == 1;
  }
}

Test(fuse, a_second_shutdown_keeps_its_deadline,
     .description = "it returns while the first waits for ever; else the read would never be let go") {
  path file = served_file();
  shutdowns all = {open_held(file.text, PREMAP_BACKING_MAPPED), {1, 1}, false};
  run_threads(2, shut_down_together, &all);
  cr_expect(all.let_go);
  cr_expect_eq(all.results[0], 0);
  cr_expect_eq(all.results[1], PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_close(all.held), 0);
}

static premap_file open_held_by(premap_loader *loader, const char *name) {
  premap_options options = PREMAP_OPTIONS_INIT;
  options.loader = loader;
  how->holds = true;
  premap_file handle = premap_open(name, &options);
  cr_assert_gt(handle, 0);
  await_held_read();
  return handle;
}

Test(fuse, a_loader_is_left_behind,
     .description = "its close gives ETIMEDOUT while a worker hangs, which cleans up when it is back") {
  path file = served_file();
  premap_loader *loader;
  cr_assert_eq(premap_loader_create(&loader, NULL), 0);
  premap_file held = open_held_by(loader, file.text);
  cr_expect_eq(premap_loader_drain(loader, 10), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_loader_close(loader, 10), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_error(held), PREMAP_ECANCELED);
  cr_expect_eq(premap_close(held), 0);
  let_reads_go();
}

Test(fuse, who_waits_for_its_turn_can_be_cancelled,
     .description = "a gentle load behind one that hangs; its loader ends at once") {
  path file = served_file(), local = make_file("local", 4 * MIB, 1);
  premap_options gentle = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  gentle.flags = PREMAP_GENTLE;
  how->holds = true;
  premap_file held = premap_open(file.text, &gentle);
  cr_assert_gt(held, 0);
  await_held_read();
  cr_assert_eq(premap_loader_create(&gentle.loader, NULL), 0);
  premap_file waits = premap_open(local.text, &gentle);
  cr_assert(reaches_state(waits, PREMAP_LOADING));
  cr_expect_eq(premap_wait(waits, 50, NULL), PREMAP_ETIMEDOUT);
  cr_expect_eq(premap_cancel(waits), 0);
  cr_expect_eq(premap_loader_close(gentle.loader, 60000), 0);
  cr_expect_eq(premap_close(waits), 0);
  let_reads_go();
  cr_expect_eq(premap_wait(held, 60000, NULL), 0);
  cr_expect_eq(premap_close(held), 0);
}

static void note_detached(void *argument) {
  *(bool *)argument = true;
}

Test(fuse, what_hangs_keeps_no_gentle_load,
     .description = "once it was cancelled; nor does it keep the pool from others before") {
  set_pool_size("4");
  path file = served_file(), local = make_file("local", 4 * MIB, 1);
  premap_options gentle = options_with(PREMAP_PREFAULT_POPULATE, PREMAP_BACKING_MAPPED, PREMAP_READ_ONLY);
  gentle.flags = PREMAP_GENTLE;
  how->holds = true;
  premap_file held = premap_open(file.text, &gentle);
  cr_assert_gt(held, 0);
  await_held_read();
  premap_file wait[3];
  for (int i = 0; i < 3; i++) {
    cr_assert_gt(wait[i] = premap_open(local.text, &gentle), 0);
    cr_assert(reaches_state(wait[i], PREMAP_LOADING));
  }
  premap_file other = premap_open(make_text("other", "x").text, NULL);
  cr_expect_eq(premap_wait(other, 60000, NULL), 0);
  cr_expect_eq(premap_cancel(held), 0);
  cr_expect_eq(premap_wait_all(wait, 3, 60000), 0);
  for (int i = 0; i < 3; i++)
    cr_expect_eq(premap_close(wait[i]), 0);
  cr_expect_eq(premap_close(other), 0);
  cr_expect_eq(premap_close(held), 0);
  let_reads_go();
}

Test(fuse, a_loop_does_not_wait_for_what_was_cancelled, .description = "without a callback, while its worker still hangs") {
  path file = served_file();
  uv_loop_t loop;
  premap_loader *loader;
  bool is_detached = false;
  cr_assert_eq(uv_loop_init(&loop), 0);
  cr_assert_eq(premap_loader_attach(&loader, &loop, NULL), 0);
  premap_file held = open_held_by(loader, file.text);
  cr_expect_eq(premap_cancel(held), 0);
  cr_expect_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
  premap_loader_detach(loader, note_detached, &is_detached);
  cr_expect_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
  cr_expect(is_detached);
  cr_expect_eq(uv_loop_close(&loop), 0);
  cr_expect_eq(premap_close(held), 0);
  let_reads_go();
}

Test(fuse, a_loop_is_let_go,
     .description = "a detached loader leaves nothing in the host's loop, although a worker still hangs") {
  path file = served_file();
  uv_loop_t loop;
  premap_loader *loader;
  bool is_detached = false;
  cr_assert_eq(uv_loop_init(&loop), 0);
  cr_assert_eq(premap_loader_attach(&loader, &loop, NULL), 0);
  premap_file held = open_held_by(loader, file.text);
  premap_loader_detach(loader, note_detached, &is_detached);
  cr_expect_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
  cr_expect(is_detached);
  cr_expect_eq(uv_loop_close(&loop), 0);
  cr_expect_eq(premap_error(held), PREMAP_ECANCELED);
  cr_expect_eq(premap_close(held), 0);
  let_reads_go();
}

Test(fuse, a_dead_server_is_an_error,
     .description = "the server dies under a load: FAILED with a code of its own, and no signal") {
  path file = served_file();
  premap_file held = open_held(file.text, PREMAP_BACKING_MAPPED);
  end_server();
  int result = premap_wait(held, -1, NULL);
  cr_expect(result < 0 && result != PREMAP_UNKNOWN && result != PREMAP_EFAULT && result != PREMAP_ECHANGED, "%s",
            premap_err_name(result));
  cr_expect_eq(premap_close(held), 0);
  premap_file late = premap_open(file.text, NULL);
  cr_expect_lt(premap_wait(late, -1, NULL), 0);
  cr_expect_eq(premap_close(late), 0);
}
