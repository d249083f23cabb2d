/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * System calls, all at their exit: the kernel has resolved every name by then, and the arguments
 * still stand in the registers (only exec and sigreturn replace those, and neither is decoded here),
 * so that no probe at the entry and no map from entry to exit is needed.
 */
#ifndef WATCHGLASS_CALLS_H
#define WATCHGLASS_CALLS_H

#include "sockets.h"

#define CALLS 512
#define TS_COMPAT 2
#define EPERM 1
#define EINTR 4
#define EAGAIN 11
#define MAP_ANONYMOUS 0x20
#define ERESTARTSYS 512
#define CLONE_ANY_NAMESPACE 0x7e020080
#define FICLONE 0x40049409
#define FICLONERANGE 0x4020940d

/* What is done with a call. */
enum class {
	CLASS_NONE,
	CLASS_READ,	  /* argument 0 is read from, the result counts bytes */
	CLASS_WRITE,	  /* argument 0 is written to */
	CLASS_SEND_TO,
	CLASS_RECEIVE_FROM,
	CLASS_SEND_MESSAGE,
	CLASS_RECEIVE_MESSAGE,
	CLASS_SEND_MESSAGES,
	CLASS_RECEIVE_MESSAGES,
	CLASS_MOVE_BYTES, /* splice and its like */
	CLASS_OPEN,
	CLASS_NAMES,	  /* changes names or attributes */
	CLASS_SOCKET,
	CLASS_SOCKET_PAIR,
	CLASS_BIND,
	CLASS_CONNECT,
	CLASS_ACCEPT,
	CLASS_MAP,
	CLASS_CLONE,
	CLASS_CONTROL,	  /* ioctl: clones of files only */
	CLASS_ATTEMPT,	  /* recorded with its arguments, whatever came of it */
};

/* Numbers of x86-64, arch/x86/entry/syscalls/syscall_64.tbl. */
static const volatile u8 class_of[CALLS] = {
	[0] = CLASS_READ, [17] = CLASS_READ, [19] = CLASS_READ, [295] = CLASS_READ, [327] = CLASS_READ,
	[1] = CLASS_WRITE, [18] = CLASS_WRITE, [20] = CLASS_WRITE, [296] = CLASS_WRITE,
	[328] = CLASS_WRITE,
	[44] = CLASS_SEND_TO, [45] = CLASS_RECEIVE_FROM,
	[46] = CLASS_SEND_MESSAGE, [47] = CLASS_RECEIVE_MESSAGE,
	[307] = CLASS_SEND_MESSAGES, [299] = CLASS_RECEIVE_MESSAGES,
	[40] = CLASS_MOVE_BYTES, [275] = CLASS_MOVE_BYTES, [276] = CLASS_MOVE_BYTES,
	[278] = CLASS_MOVE_BYTES, [326] = CLASS_MOVE_BYTES,
	[2] = CLASS_OPEN, [85] = CLASS_OPEN, [257] = CLASS_OPEN, [304] = CLASS_OPEN,
	[437] = CLASS_OPEN,
	[76] = CLASS_NAMES, [77] = CLASS_NAMES, [82] = CLASS_NAMES, [83] = CLASS_NAMES,
	[84] = CLASS_NAMES, [86] = CLASS_NAMES, [87] = CLASS_NAMES, [88] = CLASS_NAMES,
	[90] = CLASS_NAMES, [91] = CLASS_NAMES, [92] = CLASS_NAMES, [93] = CLASS_NAMES,
	[94] = CLASS_NAMES, [133] = CLASS_NAMES, [188] = CLASS_NAMES, [189] = CLASS_NAMES,
	[190] = CLASS_NAMES, [197] = CLASS_NAMES, [198] = CLASS_NAMES, [199] = CLASS_NAMES,
	[258] = CLASS_NAMES, [259] = CLASS_NAMES, [260] = CLASS_NAMES, [263] = CLASS_NAMES,
	[264] = CLASS_NAMES, [265] = CLASS_NAMES, [266] = CLASS_NAMES, [268] = CLASS_NAMES,
	[316] = CLASS_NAMES, [452] = CLASS_NAMES, [463] = CLASS_NAMES, [466] = CLASS_NAMES,
	[41] = CLASS_SOCKET, [53] = CLASS_SOCKET_PAIR, [49] = CLASS_BIND, [42] = CLASS_CONNECT,
	[43] = CLASS_ACCEPT, [288] = CLASS_ACCEPT,
	[9] = CLASS_MAP, [16] = CLASS_CONTROL,
	[56] = CLASS_CLONE, [435] = CLASS_CLONE,
	/* ptrace, process_vm_readv, process_vm_writev */
	[101] = CLASS_ATTEMPT, [310] = CLASS_ATTEMPT, [311] = CLASS_ATTEMPT,
	/* bpf */
	[321] = CLASS_ATTEMPT,
	/* pivot_root, chroot, mount, umount2, open_tree, move_mount, fsopen, fsconfig, fsmount, fspick,
	 * mount_setattr, open_tree_attr */
	[155] = CLASS_ATTEMPT, [161] = CLASS_ATTEMPT, [165] = CLASS_ATTEMPT, [166] = CLASS_ATTEMPT,
	[428] = CLASS_ATTEMPT, [429] = CLASS_ATTEMPT, [430] = CLASS_ATTEMPT, [431] = CLASS_ATTEMPT,
	[432] = CLASS_ATTEMPT, [433] = CLASS_ATTEMPT, [442] = CLASS_ATTEMPT, [467] = CLASS_ATTEMPT,
	/* unshare, setns */
	[272] = CLASS_ATTEMPT, [308] = CLASS_ATTEMPT,
	/* init_module, delete_module, kexec_load, finit_module, kexec_file_load */
	[175] = CLASS_ATTEMPT, [176] = CLASS_ATTEMPT, [246] = CLASS_ATTEMPT, [313] = CLASS_ATTEMPT,
	[320] = CLASS_ATTEMPT,
	/* io_uring_setup, io_uring_register */
	[425] = CLASS_ATTEMPT, [427] = CLASS_ATTEMPT,
	/* memfd_create, memfd_secret, pidfd_getfd, userfaultfd */
	[319] = CLASS_ATTEMPT, [447] = CLASS_ATTEMPT, [438] = CLASS_ATTEMPT, [323] = CLASS_ATTEMPT,
	/* add_key, request_key, keyctl */
	[248] = CLASS_ATTEMPT, [249] = CLASS_ATTEMPT, [250] = CLASS_ATTEMPT,
	/* setuid, setgid, setreuid, setregid, setgroups, setresuid, setresgid, setfsuid, setfsgid,
	 * capset */
	[105] = CLASS_ATTEMPT, [106] = CLASS_ATTEMPT, [113] = CLASS_ATTEMPT, [114] = CLASS_ATTEMPT,
	[116] = CLASS_ATTEMPT, [117] = CLASS_ATTEMPT, [119] = CLASS_ATTEMPT, [122] = CLASS_ATTEMPT,
	[123] = CLASS_ATTEMPT, [126] = CLASS_ATTEMPT,
};

/* Which arguments hold directories and names, counted from 1; 0 is none. A directory of CWD is the
 * current one. A name without a directory argument starts from the current directory too. */
struct names {
	u8 directory, name, directory_2, name_2;
};
#define CWD 7

static const volatile struct names names_of[CALLS] = {
	[76] = { CWD, 1 },		/* truncate */
	[77] = { 1, 0 },		/* ftruncate */
	[82] = { CWD, 1, CWD, 2 },	/* rename */
	[83] = { CWD, 1 },		/* mkdir */
	[84] = { CWD, 1 },		/* rmdir */
	[86] = { CWD, 1, CWD, 2 },	/* link */
	[87] = { CWD, 1 },		/* unlink */
	[88] = { CWD, 2, 0, 1 },	/* symlink: the link, then what it says */
	[90] = { CWD, 1 },		/* chmod */
	[91] = { 1, 0 },		/* fchmod */
	[92] = { CWD, 1 },		/* chown */
	[93] = { 1, 0 },		/* fchown */
	[94] = { CWD, 1 },		/* lchown */
	[133] = { CWD, 1 },		/* mknod */
	[188] = { CWD, 1, 0, 2 },	/* setxattr: the file, then the attribute */
	[189] = { CWD, 1, 0, 2 },	/* lsetxattr */
	[190] = { 1, 0, 0, 2 },		/* fsetxattr */
	[197] = { CWD, 1, 0, 2 },	/* removexattr */
	[198] = { CWD, 1, 0, 2 },	/* lremovexattr */
	[199] = { 1, 0, 0, 2 },		/* fremovexattr */
	[258] = { 1, 2 },		/* mkdirat */
	[259] = { 1, 2 },		/* mknodat */
	[260] = { 1, 2 },		/* fchownat */
	[263] = { 1, 2 },		/* unlinkat */
	[264] = { 1, 2, 3, 4 },		/* renameat */
	[265] = { 1, 2, 3, 4 },		/* linkat */
	[266] = { 2, 3, 0, 1 },		/* symlinkat */
	[268] = { 1, 2 },		/* fchmodat */
	[316] = { 1, 2, 3, 4 },		/* renameat2 */
	[452] = { 1, 2 },		/* fchmodat2 */
	[463] = { 1, 2, 0, 4 },		/* setxattrat */
	[466] = { 1, 2, 0, 4 },		/* removexattrat */
};

INLINE u64 argument_of(struct scratch *scratch, u32 number)
{
	switch (number) {
	case 1: return scratch->record.argument[0];
	case 2: return scratch->record.argument[1];
	case 3: return scratch->record.argument[2];
	case 4: return scratch->record.argument[3];
	default: return 0;
	}
}

INLINE struct scratch *scratch_of_call(void)
{
	u32 slot = SCRATCH_CALL;
	return bpf_map_lookup_elem(&scratches, &slot);
}

/* Counts bytes that went through a descriptor. What has an entry costs two additions; the first
 * transfer of an image through a file in a direction is a record, with the path. Returns 1 then. */
GLOBAL int transfer(u32 descriptor, u64 bytes, u32 direction)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 file = file_of(descriptor);
	struct super_block *super;
	unsigned long number;
	struct transfer_key key = {};
	if (!file)
		return 0;
	struct inode *inode = inode_of(file);
	READ(number, inode->i_ino);
	READ(key.generation, inode->i_generation);
	READ(super, inode->i_sb);
	READ(key.device, super->s_dev);
	key.inode = number;
	key.image = image_of(task);
	key.process = task->tgid;
	key.direction = direction;
	struct transfer *known = bpf_map_lookup_elem(&transfers, &key);
	if (known) {
		__sync_fetch_and_add(&known->bytes, bytes);
		__sync_fetch_and_add(&known->calls, 1);
		return 0;
	}
	/* The record tells the first bytes, so the entry begins at nothing. Where the map is full, or
	 * another thread was first, the record tells all there is to tell. */
	struct transfer fresh = {};
	bpf_map_update_elem(&transfers, &key, &fresh, BPF_NOEXIST);
	struct scratch *scratch = scratch_of_call();
	if (!scratch)
		return 0;
	begin_record(&scratch->record, KIND_TRANSFER, SOURCE_TRACEPOINT);
	scratch->used = 0;
	scratch->record.result = bytes;
	scratch->record.argument[0] = direction;
	if (!add_socket(scratch, file, END_PEER))
		add_file(scratch, file, PART_PATH);
	emit(scratch);
	return 1;
}

/* The process's number in its own pid namespace, and how deep that lies: by it the reader tells the
 * process's own folder in /proc. The last two arguments, which no call that opens has, hold it. */
INLINE void add_own_number(struct record *record)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pid *pid = task->group_leader->thread_pid;
	int number = 0;
	u32 level = 0;
	READ(level, pid->level);
	bpf_probe_read_kernel(&number, sizeof(number), &pid->numbers[0] + (level & 31));
	record->argument[4] = level;
	record->argument[5] = number;
}

GLOBAL int on_open(struct scratch *scratch)
{
	if (!scratch)
		return 0;
	u32 call = scratch->record.call;
	u64 name = call == 2 || call == 85 ? scratch->record.argument[0] : scratch->record.argument[1];
	if (call == 437) { /* struct open_how begins with the flags; how it read is advisory */
		u64 flags = 0;
		bpf_probe_read_user(&flags, sizeof(flags), scratch->record.argument[2]);
		scratch->record.argument[3] = flags;
	}
	add_own_number(&scratch->record);
	if (scratch->record.result >= 0)
		add_file(scratch, file_of(scratch->record.result), PART_PATH);
	if (call != 304)
		add_user_string(scratch, name, PART_STRING);
	return emit(scratch);
}

INLINE void add_name(struct scratch *scratch, u8 directory, u8 name, u32 path, u32 string)
{
	char first = 0;
	u64 address = argument_of(scratch, name);
	if (address)
		bpf_probe_read_user(&first, 1, address);
	if (directory) {
		s32 descriptor = directory == CWD ? AT_FDCWD : argument_of(scratch, directory);
		add_base(scratch, descriptor, first == '/', path);
	}
	if (address)
		add_user_string(scratch, address, string);
}

GLOBAL int on_names(struct scratch *scratch)
{
	if (!scratch)
		return 0;
	u32 call = scratch->record.call;
	if (call >= CALLS)
		return 0;
	u8 directory = names_of[call].directory, name = names_of[call].name;
	u8 directory_2 = names_of[call].directory_2, name_2 = names_of[call].name_2;
	add_name(scratch, directory, name, PART_PATH, PART_STRING);
	add_name(scratch, directory_2, name_2, PART_PATH_2, PART_STRING_2);
	return emit(scratch);
}

/* socket, connect, bind, accept: one descriptor, and an address. */
GLOBAL int on_socket(struct scratch *scratch, u32 class)
{
	if (!scratch)
		return 0;
	struct record *record = &scratch->record;
	s64 result = record->result;
	int made = class == CLASS_SOCKET || class == CLASS_ACCEPT;
	u32 descriptor = made ? result : record->argument[0];
	/* EINPROGRESS: the address is taken over already. */
	int settled = result >= 0 || (class == CLASS_CONNECT && result == -115);
	u32 end = class == CLASS_SOCKET ? END_NONE : class == CLASS_BIND ? END_LOCAL : END_PEER;
	if (made && result < 0)
		return emit(scratch);
	add_socket(scratch, file_of(descriptor), settled ? end : END_NONE);
	if (!made && !record->part[PART_STRING])
		add_user_bytes(scratch, record->argument[1], record->argument[2], PART_STRING);
	return emit(scratch);
}

GLOBAL int on_socket_pair(struct scratch *scratch)
{
	if (!scratch)
		return 0;
	u32 pair[2] = {};
	if (scratch->record.result < 0)
		return emit(scratch);
	bpf_probe_read_user(pair, sizeof(pair), scratch->record.argument[3]);
	add_socket(scratch, file_of(pair[0]), END_NONE);
	emit(scratch);
	add_socket(scratch, file_of(pair[1]), END_NONE);
	return emit(scratch);
}

/* One message: with its address or its descriptors it is a record of its own. Returns whether it
 * was. The address is read after the call, so it is advisory; the cgroup hook has the true one. */
GLOBAL int on_message(struct scratch *scratch, u64 header, u64 bytes, u32 direction)
{
	struct user_message message;
	if (!scratch || bpf_probe_read_user(&message, sizeof(message), header))
		return 0;
	int rights = message.control ? count_rights(message.control, message.control_length) : 0;
	int addressed = message.name && message.name_length;
	if (!rights && !(addressed && direction == DIRECTION_OUT))
		return 0;
	scratch->record.kind = KIND_MESSAGE;
	scratch->record.result = bytes;
	scratch->used = 0;
	scratch->record.flags &= FLAG_MORE_MESSAGES;
	scratch->record.part[PART_PATH] = 0;
	scratch->record.part[PART_STRING] = 0;
	scratch->record.argument[4] = rights;
	scratch->record.argument[5] = direction;
	add_socket(scratch, file_of(scratch->record.argument[0]), END_PEER);
	if (!scratch->record.part[PART_STRING] && addressed)
		add_user_bytes(scratch, message.name, message.name_length, PART_STRING);
	emit(scratch);
	return 1;
}

/* sendmmsg and recvmmsg: each message has its own address and length. */
GLOBAL int on_messages(struct scratch *scratch, u32 direction)
{
	if (!scratch)
		return 0;
	s64 count = scratch->record.result;
	u64 header = scratch->record.argument[1], plain = 0;
	u32 descriptor = scratch->record.argument[0];
	for (u32 index = 0; index < 64 && index < count; index++) {
		u32 length = 0;
		bpf_probe_read_user(&length, sizeof(length), header + sizeof(struct user_message));
		if (index == 63 && count > 64)
			scratch->record.flags |= FLAG_MORE_MESSAGES;
		if (!on_message(scratch, header, length, direction))
			plain += length;
		header += sizeof(struct user_messages);
	}
	if (plain)
		transfer(descriptor, plain, direction);
	return 0;
}

/* A refused send. Trying again later is no refusal. */
INLINE int worth_telling(s64 result)
{
	return result < 0 && result != -EAGAIN && result != -EINTR && result > -ERESTARTSYS;
}

GLOBAL int on_failed_send(struct scratch *scratch, u32 class)
{
	if (!scratch || !worth_telling(scratch->record.result))
		return 0;
	struct record *record = &scratch->record;
	struct user_message message = {};
	add_socket(scratch, file_of(record->argument[0]), END_PEER);
	if (class == CLASS_SEND_TO) {
		message.name = record->argument[4];
		message.name_length = record->argument[5];
	} else {
		bpf_probe_read_user(&message, sizeof(message), record->argument[1]);
	}
	if (message.name && !record->part[PART_STRING])
		add_user_bytes(scratch, message.name, message.name_length, PART_STRING);
	return emit(scratch);
}

GLOBAL int on_send(struct scratch *scratch, u32 class)
{
	if (!scratch)
		return 0;
	struct record *record = &scratch->record;
	if (record->result < 0)
		return on_failed_send(scratch, class);
	if (class == CLASS_SEND_TO && record->argument[4] && record->argument[5]) {
		record->kind = KIND_MESSAGE;
		u64 address = record->argument[4], length = record->argument[5];
		record->argument[4] = 0;
		record->argument[5] = DIRECTION_OUT;
		add_socket(scratch, file_of(record->argument[0]), END_PEER);
		if (!record->part[PART_STRING])
			add_user_bytes(scratch, address, length, PART_STRING);
		return emit(scratch);
	}
	if (class == CLASS_SEND_MESSAGE &&
	    on_message(scratch, record->argument[1], record->result, DIRECTION_OUT))
		return 0;
	if (record->result > 0)
		transfer(record->argument[0], record->result, DIRECTION_OUT);
	return 0;
}

GLOBAL int on_receive(struct scratch *scratch, u32 class)
{
	if (!scratch)
		return 0;
	struct record *record = &scratch->record;
	if (record->result < 0)
		return 0;
	if (class == CLASS_RECEIVE_MESSAGE &&
	    on_message(scratch, record->argument[1], record->result, DIRECTION_IN))
		return 0;
	if (record->result > 0)
		transfer(record->argument[0], record->result, DIRECTION_IN);
	return 0;
}

/* Bytes that go from one descriptor to another without passing the process. */
GLOBAL int on_moved_bytes(struct scratch *scratch)
{
	if (!scratch)
		return 0;
	struct record copy = scratch->record;
	u32 call = copy.call;
	s64 bytes = copy.result;
	if (bytes > 0) {
		u32 from = call == 40 ? copy.argument[1] : copy.argument[0];
		u32 to = call == 40 ? copy.argument[0] :
			 call == 276 ? copy.argument[1] : copy.argument[2];
		int first;
		if (call == 278) { /* vmsplice: into the pipe where its end is for writing */
			u32 flags = 0;
			u64 file = file_of(from);
			READ(flags, ((struct file *)file)->f_flags);
			first = transfer(from, bytes, flags & 3 ? DIRECTION_OUT : DIRECTION_IN);
		} else {
			first = transfer(from, bytes, DIRECTION_IN);
			first |= transfer(to, bytes, DIRECTION_OUT);
		}
		if (!first)
			return 0;
	} else if (bytes == 0 || !worth_telling(bytes)) {
		return 0;
	}
	scratch->record = copy;
	scratch->used = 0;
	return emit(scratch);
}

INLINE int names_tls_library(struct scratch *scratch)
{
	u8 *name = scratch->data;
	return name[0] == 'l' && name[1] == 'i' && name[2] == 'b' &&
	       ((name[3] == 's' && name[4] == 's' && name[5] == 'l') ||
		(name[3] == 'g' && name[4] == 'n' && name[5] == 'u' && name[6] == 't'));
}

GLOBAL int on_map(struct scratch *scratch)
{
	if (!scratch)
		return 0;
	struct record *record = &scratch->record;
	if (record->argument[3] & MAP_ANONYMOUS || (record->result < 0 && record->result > -4096))
		return 0;
	u64 file = file_of(record->argument[4]);
	if (!file)
		return 0;
	add_file(scratch, file, PART_PATH);
	if (names_tls_library(scratch))
		scratch->wakeup = BPF_RB_FORCE_WAKEUP;
	return emit(scratch);
}

GLOBAL int on_clone(struct scratch *scratch)
{
	if (!scratch || !scratch->record.result)
		return 0;
	u64 flags = scratch->record.argument[0];
	if (scratch->record.call == 435)
		bpf_probe_read_user(&flags, sizeof(flags), scratch->record.argument[0]);
	/* For `clone` the lowest byte is the signal at the child's end, not a namespace of time. */
	if (scratch->record.call == 56)
		flags &= ~0xffULL;
	if (!(flags & CLONE_ANY_NAMESPACE))
		return 0;
	scratch->record.argument[0] = flags;
	return emit(scratch);
}

GLOBAL int on_control(struct scratch *scratch)
{
	if (!scratch)
		return 0;
	u32 command = scratch->record.argument[1];
	if (command != FICLONE && command != FICLONERANGE)
		return 0;
	return emit(scratch);
}

GLOBAL int on_attempt(struct scratch *scratch)
{
	if (!scratch)
		return 0;
	struct record *record = &scratch->record;
	u32 call = record->call;
	u64 first = 0, second = 0;
	if (call == 165) { /* mount: where, what */
		first = record->argument[1];
		second = record->argument[0];
	} else if (call == 166 || call == 161 || call == 319 || call == 430) {
		first = record->argument[0]; /* umount2, chroot, memfd_create, fsopen */
	} else if (call == 155) {
		first = record->argument[0];
		second = record->argument[1];
	} else if (call == 428 || call == 429 || call == 433 || call == 442) {
		first = record->argument[1];
	}
	add_user_string(scratch, first, PART_STRING);
	add_user_string(scratch, second, PART_STRING_2);
	if (call == 319) /* the reader takes hold of the file before it can be run and be gone */
		scratch->wakeup = BPF_RB_FORCE_WAKEUP;
	return emit(scratch);
}

INLINE void dispatch(struct scratch *scratch, u32 class)
{
	switch (class) {
	case CLASS_OPEN: on_open(scratch); break;
	case CLASS_NAMES: on_names(scratch); break;
	case CLASS_MAP: on_map(scratch); break;
	case CLASS_SOCKET:
	case CLASS_BIND:
	case CLASS_CONNECT:
	case CLASS_ACCEPT: on_socket(scratch, class); break;
	case CLASS_SOCKET_PAIR: on_socket_pair(scratch); break;
	case CLASS_SEND_TO:
	case CLASS_SEND_MESSAGE: on_send(scratch, class); break;
	case CLASS_RECEIVE_FROM:
	case CLASS_RECEIVE_MESSAGE: on_receive(scratch, class); break;
	case CLASS_SEND_MESSAGES:
		if (scratch->record.result < 0)
			on_failed_send(scratch, class);
		else
			on_messages(scratch, DIRECTION_OUT);
		break;
	case CLASS_RECEIVE_MESSAGES: on_messages(scratch, DIRECTION_IN); break;
	case CLASS_MOVE_BYTES: on_moved_bytes(scratch); break;
	case CLASS_CLONE: on_clone(scratch); break;
	case CLASS_CONTROL: on_control(scratch); break;
	case CLASS_ATTEMPT: on_attempt(scratch); break;
	default: emit(scratch); break; /* a call that is not decoded, and was refused */
	}
}

SEC("tp_btf/sys_exit")
int sys_exit(u64 *context)
{
	if (!in_world())
		return 0;
	struct pt_regs *registers = (struct pt_regs *)context[0];
	s64 result = context[1];
	u64 call = registers->orig_ax;
	struct task_struct *task = bpf_get_current_task_btf();
	/* A call through `int 0x80` or of x32 has other numbers and must not be taken for another. */
	int foreign = call >= CALLS || task->thread_info.status & TS_COMPAT;
	u32 class = foreign ? CLASS_NONE : class_of[call & (CALLS - 1)];
	if (class == CLASS_READ || class == CLASS_WRITE) {
		if (result > 0)
			transfer(registers->di, result,
				 class == CLASS_READ ? DIRECTION_IN : DIRECTION_OUT);
		return 0;
	}
	if (class == CLASS_NONE && !foreign && result != -EPERM)
		return 0;
	struct scratch *scratch = begin(SCRATCH_CALL, foreign ? KIND_FOREIGN : KIND_CALL);
	if (!scratch)
		return 0;
	scratch->record.call = call;
	scratch->record.result = result;
	scratch->record.argument[0] = registers->di;
	scratch->record.argument[1] = registers->si;
	scratch->record.argument[2] = registers->dx;
	scratch->record.argument[3] = registers->r10;
	scratch->record.argument[4] = registers->r8;
	scratch->record.argument[5] = registers->r9;
	dispatch(scratch, class);
	return 0;
}

#endif
