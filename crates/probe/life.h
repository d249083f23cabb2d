/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * Processes: how they begin, what they run, how they end, and requests through io_uring.
 */
#ifndef WATCHGLASS_LIFE_H
#define WATCHGLASS_LIFE_H

#include "files.h"

#define SIGNAL_GROUP_EXIT 4
/* An inode's nanoseconds carry a mark of the kernel's in their top bit (Linux 6.13). */
#define NANOSECONDS 0x3fffffff

INLINE void remember(u32 process)
{
	u32 yes = 1;
	bpf_map_update_elem(&members, &process, &yes, BPF_ANY);
}

SEC("tp_btf/sched_process_fork")
int sched_process_fork(u64 *context)
{
	if (!in_world())
		return 0;
	struct task_struct *child = (struct task_struct *)context[1];
	struct scratch *scratch = begin(SCRATCH_FORK, KIND_FORK);
	if (!scratch)
		return 0;
	scratch->record.argument[0] = child->tgid;
	scratch->record.argument[1] = child->pid;
	scratch->record.argument[2] = child->group_leader->start_boottime;
	remember(child->tgid);
	emit(scratch);
	return 0;
}

INLINE void add_time_of_change(struct record *record, struct inode *inode)
{
	s64 seconds = 0;
	u64 nanoseconds = 0;
	if (FIELD_EXISTS(struct inode, i_ctime_sec)) {
		u32 low = 0;
		READ(seconds, inode->i_ctime_sec);
		READ(low, inode->i_ctime_nsec);
		nanoseconds = low;
	} else if (FIELD_EXISTS(struct inode___until_6_10, __i_ctime)) {
		READ(seconds, ((struct inode___until_6_10 *)inode)->__i_ctime.tv_sec);
		READ(nanoseconds, ((struct inode___until_6_10 *)inode)->__i_ctime.tv_nsec);
	} else {
		READ(seconds, ((struct inode___until_6_5 *)inode)->i_ctime.tv_sec);
		READ(nanoseconds, ((struct inode___until_6_5 *)inode)->i_ctime.tv_nsec);
	}
	record->argument[0] = seconds;
	record->argument[1] = nanoseconds & NANOSECONDS;
}

SEC("tp_btf/sched_process_exec")
int sched_process_exec(u64 *context)
{
	if (!in_world())
		return 0;
	struct task_struct *task = (struct task_struct *)context[0];
	struct linux_binprm *program = (struct linux_binprm *)context[2];
	struct scratch *scratch = begin(SCRATCH_EXEC, KIND_EXEC);
	if (!scratch)
		return 0;
	u64 file = 0;
	bpf_probe_read_kernel(&file, sizeof(file), &program->file);
	if (file) {
		add_file(scratch, file, PART_PATH);
		add_time_of_change(&scratch->record, inode_of(file));
	}
	u64 start = task->mm->arg_start, end = task->mm->arg_end;
	if (end > start)
		add_user_bytes(scratch, start, end - start > 512 ? 512 : end - start, PART_STRING);
	scratch->record.argument[2] = context[1]; /* the thread that called exec */
	scratch->wakeup = BPF_RB_FORCE_WAKEUP;	  /* the digest is taken while the process lives */
	remember(task->tgid);
	emit(scratch);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int sched_process_exit(u64 *context)
{
	if (!in_world())
		return 0;
	struct task_struct *task = (struct task_struct *)context[0];
	/* Two threads that end at once may both find none left: the reader takes the first. */
	if (task->signal->live.counter)
		return 0;
	struct scratch *scratch = begin(SCRATCH_EXIT, KIND_EXIT);
	if (!scratch)
		return 0;
	int group = task->signal->flags & SIGNAL_GROUP_EXIT;
	scratch->record.result = group ? task->signal->group_exit_code : task->exit_code;
	u32 process = task->tgid;
	bpf_map_delete_elem(&members, &process);
	emit(scratch);
	return 0;
}

/* The kernel reports a move after it was made, when the task is no longer in the world. */
SEC("tp_btf/cgroup_attach_task")
int cgroup_attach_task(u64 *context)
{
	u32 mover = bpf_get_current_pid_tgid() >> 32;
	if (!in_world() && !bpf_map_lookup_elem(&members, &mover))
		return 0;
	struct task_struct *task = (struct task_struct *)context[2];
	struct scratch *scratch = begin(SCRATCH_MOVE, KIND_MOVE);
	if (!scratch)
		return 0;
	scratch->record.argument[0] = task->tgid;
	long length = bpf_probe_read_kernel_str(scratch->data, STRING_MAX, (void *)context[1]);
	if (length > 0 && length <= STRING_MAX) {
		scratch->record.part[PART_STRING] = length;
		scratch->used = length;
	}
	emit(scratch);
	return 0;
}

/* Linux 6.3. Also runs in the kernel's own polling thread, which stays in the cgroup. */
SEC("tp_btf/io_uring_submit_req")
int io_uring_submit_req(u64 *context)
{
	if (!in_world())
		return 0;
	struct io_kiocb *request = (struct io_kiocb *)context[0];
	struct scratch *scratch = begin(SCRATCH_RING, KIND_RING);
	if (!scratch)
		return 0;
	u32 operation = request->opcode;
	scratch->record.argument[0] = operation;
	if (operation == 18 || operation == 28) { /* OPENAT, OPENAT2 */
		struct io_open *open = (struct io_open *)&request->cmd;
		struct filename *filename;
		const char *name;
		READ(filename, open->filename);
		READ(name, filename->name);
		long length = bpf_probe_read_kernel_str(scratch->data, STRING_MAX, name);
		if (length > 0 && length <= STRING_MAX) {
			scratch->record.part[PART_STRING] = length;
			scratch->used = length;
		}
	}
	emit(scratch);
	return 0;
}

#endif
