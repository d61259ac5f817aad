/* SPDX-License-Identifier: MIT
 *
 * contestant_premap.c - premap: groups with each backing and prefault, and the other ways to wait.
 */
#include <premap/premap.h>

#include <stdlib.h>
#include <string.h>

#include "contestants.h"

static int visit(const bench_job *job, size_t file, const premap_region *region) {
  if (region->size != job->workload->files[file].size)
    return PREMAP_ECHANGED;
  job->visit(job, file, 0, region->data, region->size);
  return PREMAP_OK;
}

/* ---- Groups */

/* Maps are limited, by default to some 65,000 a process, and half of these are premap's. */
enum { MAPPED_AT_ONCE = 16384 };

/* Files of the workload, from the first on. */
typedef struct {
  size_t first;
  size_t count;
} slice;

static int add_all(const bench_job *job, slice part, const premap_options *options, premap_group **group, premap_file *files) {
  int result = premap_group_create(group, options);
  if (result == PREMAP_OK)
    result = premap_group_start(*group); /* so that the first files load while the others are added */
  for (size_t i = 0; result == PREMAP_OK && i < part.count; i++) {
    files[i] = premap_group_add(*group, job->workload->files[part.first + i].path);
    if (files[i] < 0)
      result = (int)files[i];
  }
  return result;
}

/* Everything is in memory at once before the first byte is looked at. */
static int load_slice(const bench_job *job, slice part, const premap_options *options, premap_file *files) {
  premap_group *group = NULL;
  int result = add_all(job, part, options, &group, files);
  if (result == PREMAP_OK)
    result = premap_group_wait(group, -1);
  for (size_t i = 0; result == PREMAP_OK && i < part.count; i++) {
    premap_region region;
    result = premap_region_of(files[i], &region);
    if (result == PREMAP_OK)
      result = visit(job, part.first + i, &region);
  }
  premap_group_close(group);
  return result;
}

static int load_group(const bench_job *job, premap_backing backing, premap_prefault prefault, uint32_t flags) {
  premap_options options = PREMAP_OPTIONS_INIT;
  options.backing = backing;
  options.prefault = prefault;
  options.flags = flags;
  size_t count = job->workload->count;
  size_t at_once = backing == PREMAP_BACKING_MAPPED && count > MAPPED_AT_ONCE ? MAPPED_AT_ONCE : count;
  premap_file *files = malloc(at_once * sizeof *files);
  int result = files != NULL ? PREMAP_OK : PREMAP_ENOMEM;
  for (size_t first = 0; result == PREMAP_OK && first < count; first += at_once) {
    slice part = {first, count - first < at_once ? count - first : at_once};
    result = load_slice(job, part, &options, files);
  }
  free(files);
  return result;
}

static int load_default(const bench_job *job) {
  return load_group(job, PREMAP_BACKING_AUTO, PREMAP_PREFAULT_POPULATE, 0);
}

static int load_regular(const bench_job *job) {
  return load_group(job, PREMAP_BACKING_AUTO, PREMAP_PREFAULT_POPULATE, PREMAP_KNOWN_REGULAR);
}

static int load_mapped(const bench_job *job) {
  return load_group(job, PREMAP_BACKING_MAPPED, PREMAP_PREFAULT_POPULATE, 0);
}

static int load_copied(const bench_job *job) {
  return load_group(job, PREMAP_BACKING_COPIED, PREMAP_PREFAULT_POPULATE, 0);
}

static int load_unprefaulted(const bench_job *job) {
  return load_group(job, PREMAP_BACKING_AUTO, PREMAP_PREFAULT_NONE, 0);
}

static int load_advised(const bench_job *job) {
  return load_group(job, PREMAP_BACKING_AUTO, PREMAP_PREFAULT_ADVISE, 0);
}

/* Each file is looked at when it is its turn, and given back at once. */
static int load_in_order(const bench_job *job) {
  premap_group *group = NULL;
  premap_file *files = malloc(job->workload->count * sizeof *files);
  int result = files != NULL ? add_all(job, (slice){0, job->workload->count}, NULL, &group, files) : PREMAP_ENOMEM;
  for (size_t i = 0; result == PREMAP_OK && i < job->workload->count; i++) {
    premap_region region;
    result = premap_wait(files[i], -1, &region);
    if (result == PREMAP_OK)
      result = visit(job, i, &region);
    if (result == PREMAP_OK)
      result = premap_close(files[i]);
  }
  premap_group_close(group);
  free(files);
  return result;
}

/* ---- In the order of the ends: a table tells which file a handle is of, as a program would need it */

struct table {
  size_t mask;
  struct entry {
    premap_file file;
    size_t index;
  } * entries;
};

static struct entry *find(const struct table *table, premap_file file) {
  size_t place = (size_t)(((uint64_t)file * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & table->mask;
  while (table->entries[place].file != file && table->entries[place].file != 0)
    place = (place + 1) & table->mask;
  return &table->entries[place];
}

static int look_at_next(const bench_job *job, premap_group *group, const struct table *table) {
  premap_completion ended;
  premap_region region;
  int result = premap_group_next(group, -1, &ended);
  if (result == PREMAP_OK)
    result = ended.result;
  if (result == PREMAP_OK)
    result = premap_region_of(ended.file, &region);
  if (result == PREMAP_OK)
    result = visit(job, find(table, ended.file)->index, &region);
  if (result == PREMAP_OK)
    result = premap_close(ended.file);
  return result;
}

static int load_next(const bench_job *job) {
  size_t count = job->workload->count, size = 2;
  while (size < 2 * count)
    size *= 2;
  struct table table = {size - 1, calloc(size, sizeof *table.entries)};
  premap_group *group = NULL;
  int result = table.entries != NULL ? premap_group_create(&group, NULL) : PREMAP_ENOMEM;
  if (result == PREMAP_OK)
    result = premap_group_start(group);
  for (size_t i = 0; result == PREMAP_OK && i < count; i++) {
    premap_file file = premap_group_add(group, job->workload->files[i].path);
    if (file > 0)
      *find(&table, file) = (struct entry){file, i};
    else
      result = (int)file;
  }
  for (size_t i = 0; result == PREMAP_OK && i < count; i++)
    result = look_at_next(job, group, &table);
  premap_group_close(group);
  free(table.entries);
  return result;
}

/* By its directory, whose entries tell that they are regular files: the name of each that has ended is its number. */
static int look_at_named(const bench_job *job, premap_group *group) {
  premap_completion ended;
  premap_region region;
  char name[4096];
  int result = premap_group_next(group, -1, &ended);
  if (result == PREMAP_OK)
    result = ended.result;
  if (result == PREMAP_OK)
    result = premap_region_of(ended.file, &region);
  if (result == PREMAP_OK && premap_path(ended.file, name, sizeof name) < 0)
    result = PREMAP_EBADF;
  if (result == PREMAP_OK)
    result = visit(job, strtoul(strrchr(name, '/') + 1, NULL, 10), &region);
  if (result == PREMAP_OK)
    result = premap_close(ended.file);
  return result;
}

static int load_directory(const bench_job *job) {
  premap_group *group = NULL;
  int result = premap_group_create(&group, NULL);
  if (result == PREMAP_OK)
    result = premap_group_start(group);
  int64_t added = result == PREMAP_OK ? premap_group_add_directory(group, job->workload->directory) : result;
  for (int64_t i = 0; result == PREMAP_OK && i < added; i++)
    result = look_at_named(job, group);
  premap_group_close(group);
  return added == (int64_t)job->workload->count ? result : added < 0 ? (int)added : PREMAP_ECHANGED;
}

/* ---- On the calling thread */

static int load_here(const bench_job *job) {
  int result = PREMAP_OK;
  for (size_t i = 0; result == PREMAP_OK && i < job->workload->count; i++) {
    premap_region region;
    premap_file file = premap_load(job->workload->files[i].path, NULL, &region);
    if (file < 0)
      return (int)file;
    result = visit(job, i, &region);
    premap_close(file);
  }
  return result;
}

/* ---- */

/* Starts the library's threads by a load of this program, with a time-out, so that it is not done here. */
static int prepare(void) {
  premap_file file = premap_open("/proc/self/exe", NULL);
  if (file < 0)
    return (int)file;
  int result = premap_wait(file, 60 * 1000, NULL);
  premap_close(file);
  return result;
}

const bench_contestant bench_family_premap[] = {
    {.name = "premap", .what = "a group, defaults; waits for all", .load = load_default, .prepare = prepare},
    {.name = "premap-regular", .what = "the same, of files known to be regular", .load = load_regular, .prepare = prepare},
    {.name = "premap-mapped",
     .what = "the same, mapped; at most 16384 files at a time",
     .load = load_mapped,
     .prepare = prepare},
    {.name = "premap-copied", .what = "the same, copied", .load = load_copied, .prepare = prepare},
    {.name = "premap-none", .what = "the same, without prefault", .load = load_unprefaulted, .prepare = prepare},
    {.name = "premap-advise", .what = "the same, by hints", .load = load_advised, .prepare = prepare},
    {.name = "premap-in-order", .what = "a group; waits for file after file", .load = load_in_order, .prepare = prepare},
    {.name = "premap-next", .what = "a group, in the order of the ends", .load = load_next, .prepare = prepare},
    {.name = "premap-directory",
     .what = "a group of the directory, in the order of the ends",
     .load = load_directory,
     .prepare = prepare,
     .traits = BENCH_MADE_ONLY},
    {.name = "premap-load", .what = "premap_load of file after file", .load = load_here, .prepare = prepare},
    {.name = NULL}};
