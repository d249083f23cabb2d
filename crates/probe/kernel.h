/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * The kernel's types, with only the fields that the probe reads.
 *
 * Written by hand instead of generated: a generated header is 130,000 lines that fit one kernel,
 * while these are relocated against the running kernel's own BTF when they are loaded (CO-RE), so
 * one object fits all. Names and types of fields are the kernel's; their order and the gaps between
 * them mean nothing.
 */
#ifndef WATCHGLASS_KERNEL_H
#define WATCHGLASS_KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

#define CORE __attribute__((preserve_access_index))

struct pt_regs {
	unsigned long r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, sp;
} CORE;

struct thread_info {
	u32 status;
} CORE;

typedef struct {
	u32 val;
} CORE kuid_t;

struct cred {
	kuid_t euid;
} CORE;

typedef struct {
	int counter;
} CORE atomic_t;

typedef struct {
	s64 counter;
} CORE atomic64_t;

struct qstr {
	const unsigned char *name;
} CORE;

struct super_block {
	u32 s_dev;
	unsigned long s_magic;
} CORE;

struct inode {
	u16 i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
	u32 i_generation;
	s64 i_ctime_sec;
	u32 i_ctime_nsec;
} CORE;

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
} CORE;

/* Before Linux 6.6 the time of change was one field; from 6.6 to 6.10 it was `__i_ctime`. */
struct inode___until_6_5 {
	struct timespec64 i_ctime;
} CORE;
struct inode___until_6_10 {
	struct timespec64 __i_ctime;
} CORE;

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
} CORE;

struct vfsmount {
	struct dentry *mnt_root;
} CORE;

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} CORE;

struct mnt_namespace {
	struct mount *root;
} CORE;

struct nsproxy {
	struct mnt_namespace *mnt_ns;
} CORE;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} CORE;

struct file {
	struct path f_path;
	struct inode *f_inode;
	void *private_data;
	u32 f_flags;
} CORE;

struct fdtable {
	u32 max_fds;
	struct file **fd;
} CORE;

struct files_struct {
	struct fdtable *fdt;
} CORE;

struct fs_struct {
	struct path root;
	struct path pwd;
} CORE;

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
} CORE;

struct signal_struct {
	atomic_t live;
	int group_exit_code;
	u32 flags;
} CORE;

/* A process's number in one pid namespace; `numbers` has one for each level, the outermost first. */
struct upid {
	int nr;
	void *ns;
};

struct pid {
	u32 level;
	struct upid numbers[1];
} CORE;

struct task_struct {
	struct thread_info thread_info;
	s32 pid;
	s32 tgid;
	int exit_code;
	u64 start_boottime;
	u64 self_exec_id;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	const struct cred *cred;
	struct mm_struct *mm;
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
} CORE;

struct linux_binprm {
	struct file *file;
} CORE;

struct cgroup;

struct in6_addr {
	u8 bytes[16];
};

struct sock_common {
	u32 skc_daddr;
	u32 skc_rcv_saddr;
	u16 skc_dport;
	u16 skc_num;
	u16 skc_family;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
} CORE;

struct sock {
	struct sock_common __sk_common;
	u16 sk_protocol;
	u16 sk_type;
} CORE;

struct socket {
	struct sock *sk;
} CORE;

struct sockaddr_un {
	u16 sun_family;
} CORE;

struct unix_address {
	int len;
	struct sockaddr_un name[0];
} CORE;

struct unix_sock {
	struct unix_address *addr;
	struct path path;
	struct sock *peer;
} CORE;

struct filename {
	const char *name;
} CORE;

struct io_cmd_data {
	struct file *file;
} CORE;

struct io_kiocb {
	struct io_cmd_data cmd;
	u8 opcode;
} CORE;

struct io_open {
	struct filename *filename;
} CORE;

/* Contexts of the cgroup hooks. These are stable interfaces (linux/bpf.h), so no relocation. */
struct bpf_sock {
	u32 bound_dev_if, family, type, protocol, mark, priority, src_ip4, src_ip6[4], src_port;
};

struct bpf_sock_addr {
	u32 user_family, user_ip4, user_ip6[4], user_port, family, type, protocol;
};

struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol;
};

/* What user space passes. */
struct user_message {
	u64 name;
	u32 name_length, padding;
	u64 vector, vector_length, control, control_length;
	u32 flags, padding_2;
};

struct user_messages {
	struct user_message message;
	u32 length, padding;
};

#endif
