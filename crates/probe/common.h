/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * Maps, the filter, and how a record is begun, filled and put into the ring.
 */
#ifndef WATCHGLASS_COMMON_H
#define WATCHGLASS_COMMON_H

#include "helpers.h"
#include "record.h"

/* Longest string taken from user space: PATH_MAX. */
#define STRING_MAX 4096
/* Longest name of one directory entry, with its end: NAME_MAX + 1. */
#define NAME_BYTES 256
/* Deepest path that is walked. PATH_MAX allows 2,047 one-letter directories; those are marked. */
#define WALK_STEPS 96
/* A path longer than this many bytes is marked as cut. */
#define WALK_BYTES 8192
#define DATA_BYTES 24576

/* A record under construction. It may be larger than the 512 bytes of stack that a program has. */
struct scratch {
	struct record record;
	u8 data[DATA_BYTES];
	u32 used;
	u32 wakeup;
};

/* One scratch for each program: the kernel never runs the same tracing program twice on one CPU at
 * a time (it counts what it skips for that as recursion_misses, which the sensor reports as lost),
 * but two different programs may interleave. */
enum { SCRATCH_CALL, SCRATCH_EXEC, SCRATCH_FORK, SCRATCH_EXIT, SCRATCH_MOVE, SCRATCH_RING, SCRATCHES };

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
	__uint(max_entries, 1);
} world SEC(".maps");

/* Linux 5.8. One ring for all CPUs, so that records arrive in the order in which they were made. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 67108864);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, u32);
	__type(value, struct counts);
	__uint(max_entries, SOURCES);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, u32);
	__type(value, struct scratch);
	__uint(max_entries, SCRATCHES);
} scratches SEC(".maps");

/* A plain hash, never an LRU, which drops entries silently. Entries are removed by the reader alone
 * and only once their process or image is gone: an entry removed under a running system call could
 * be given to another file while that call still adds to it. A full map costs speed, not records:
 * what finds no entry is put into the ring at once. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct transfer_key);
	__type(value, struct transfer);
	__uint(max_entries, 262144);
} transfers SEC(".maps");

/* Processes known to belong to the world, to notice one that has just left its cgroup. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u32);
	__uint(max_entries, 65536);
} members SEC(".maps");

INLINE int in_world(void)
{
	return bpf_current_task_under_cgroup(&world, 0) == 1;
}

INLINE u64 image_of(struct task_struct *task)
{
	return task->group_leader->start_boottime + task->self_exec_id;
}

/* Everything of a record that the current task and the moment give. */
INLINE void begin_record(struct record *record, u8 kind, u8 source)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__builtin_memset(record, 0, sizeof(*record));
	record->kind = kind;
	record->source = source;
	record->cpu = bpf_get_smp_processor_id();
	record->at_ns = bpf_ktime_get_boot_ns();
	record->start_ns = task->group_leader->start_boottime;
	record->image = image_of(task);
	record->process = task->tgid;
	record->thread = task->pid;
	record->uid = task->cred->euid.val;
}

INLINE struct scratch *begin(u32 slot, u8 kind)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &slot);
	if (!scratch)
		return 0;
	begin_record(&scratch->record, kind, SOURCE_TRACEPOINT);
	scratch->used = 0;
	scratch->wakeup = BPF_RB_NO_WAKEUP;
	return scratch;
}

/* Takes the next sequence number. Atomic, because cgroup and user probes can be preempted by another
 * task that runs the same program on this CPU. */
INLINE struct counts *number(struct record *record)
{
	u32 source = record->source;
	struct counts *counts = bpf_map_lookup_elem(&counters, &source);
	if (counts)
		record->sequence = __sync_fetch_and_add(&counts->emitted, 1);
	return counts;
}

GLOBAL int emit(struct scratch *scratch)
{
	if (!scratch)
		return 0;
	struct counts *counts = number(&scratch->record);
	if (!counts)
		return 0;
	u32 used = scratch->used;
	if (used > DATA_BYTES)
		used = DATA_BYTES;
	u64 bytes = sizeof(struct record) + used;
	/* No wake-up for each record, which would cost an interrupt: the reader looks every few
	 * milliseconds. It is woken where it has to be quick. */
	if (bpf_ringbuf_output(&ring, &scratch->record, bytes, scratch->wakeup))
		__sync_fetch_and_add(&counts->lost, 1);
	return 0;
}

/* Appends a string of user space. What stands there now need not be what the kernel read: advisory. */
GLOBAL int add_user_string(struct scratch *scratch, u64 address, u32 part)
{
	if (!scratch || !address || part >= PARTS)
		return 0;
	u32 used = scratch->used;
	if (used > DATA_BYTES - STRING_MAX)
		return 0;
	long length = bpf_probe_read_user_str(scratch->data + used, STRING_MAX, address);
	if (length <= 0 || length > STRING_MAX)
		return 0;
	scratch->record.part[part] = length;
	scratch->used = used + length;
	return length;
}

/* Appends at most 512 bytes of user space. */
GLOBAL int add_user_bytes(struct scratch *scratch, u64 address, u32 length, u32 part)
{
	if (!scratch || !address || part >= PARTS)
		return 0;
	u32 used = scratch->used;
	if (used > DATA_BYTES - 512)
		return 0;
	if (length > 512)
		length = 512;
	if (!length || bpf_probe_read_user(scratch->data + used, length, address))
		return 0;
	scratch->record.part[part] = length;
	scratch->used = used + length;
	return length;
}

#endif
