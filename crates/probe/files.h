/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * Files: which object stands behind a descriptor, and by which path the kernel reaches it.
 */
#ifndef WATCHGLASS_FILES_H
#define WATCHGLASS_FILES_H

#include "common.h"

#define AT_FDCWD (-100)

/* The address of the `struct file` behind a descriptor of the current task, or 0.
 *
 * At the exit of a call, a thread that shares the table may have put another file there since. */
INLINE u64 file_of(u32 descriptor)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fdtable *table = task->files->fdt;
	u64 file = 0;
	if (descriptor >= table->max_fds)
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), table->fd + descriptor);
	return file;
}

INLINE struct inode *inode_of(u64 file)
{
	struct inode *inode;
	READ(inode, ((struct file *)file)->f_inode);
	return inode;
}

INLINE void add_inode(struct record *record, struct inode *inode)
{
	struct super_block *super;
	unsigned long number, magic;
	READ(number, inode->i_ino);
	READ(record->object.generation, inode->i_generation);
	READ(record->object.mode, inode->i_mode);
	READ(super, inode->i_sb);
	READ(record->object.device, super->s_dev);
	READ(magic, super->s_magic);
	record->object.inode = number;
	record->object.magic = magic;
}

/* Appends the path from an entry up to the root of its mount namespace: the names from the leaf
 * upwards, each with its end. `bpf_d_path` would do this, but the kernel refuses it in tracepoints.
 *
 * Correct through bind mounts and overlays. Not one moment: where a directory above is renamed
 * during the walk, the path can be made of the old and the new name. */
GLOBAL int add_path(struct scratch *scratch, u64 vfsmount, u64 entry, u32 part)
{
	if (!scratch || part >= PARTS || !vfsmount || !entry)
		return 0;
	struct task_struct *task = bpf_get_current_task_btf();
	struct mount *mount = (struct mount *)(vfsmount - FIELD_OFFSET(struct mount, mnt));
	struct dentry *dentry = (struct dentry *)entry;
	struct mount *namespace_root = task->nsproxy->mnt_ns->root;
	struct dentry *top;
	u32 start = scratch->used, flags = PATH_CUT;

	if (start > DATA_BYTES - WALK_BYTES - NAME_BYTES)
		return 0;
	READ(top, mount->mnt.mnt_root);
	for (u32 step = 0; step < WALK_STEPS; step++) {
		struct dentry *up;
		const unsigned char *name;
		if (dentry == top) {
			struct mount *parent;
			READ(parent, mount->mnt_parent);
			if (parent == mount || !parent) {
				flags = mount == namespace_root ? 0 : PATH_UNREACHABLE;
				break;
			}
			READ(dentry, mount->mnt_mountpoint);
			mount = parent;
			READ(top, mount->mnt.mnt_root);
			continue;
		}
		READ(up, dentry->d_parent);
		READ(name, dentry->d_name.name);
		/* Kept in memory, not in a register: what comes from memory is the same unknown to the
		 * verifier in every step, so it need not follow each length through all steps. */
		u32 used = scratch->used;
		if (used > DATA_BYTES - NAME_BYTES || used - start > WALK_BYTES)
			break;
		long length = bpf_probe_read_kernel_str(scratch->data + used, NAME_BYTES, name);
		if (length <= 0 || length > NAME_BYTES)
			break;
		scratch->used = used + length;
		if (up == dentry) {
			flags = PATH_DETACHED;
			break;
		}
		dentry = up;
	}
	flags |= PATH_WALKED;
	scratch->record.flags |= part == PART_PATH ? flags : flags << PATH_FLAG_BITS;
	scratch->record.part[part] = scratch->used - start;
	return 0;
}

/* The object behind an open file, and its path. */
GLOBAL int add_file(struct scratch *scratch, u64 address, u32 part)
{
	if (!scratch || !address)
		return 0;
	struct file *file = (struct file *)address;
	u64 mount = 0, entry = 0;
	add_inode(&scratch->record, inode_of(address));
	READ(scratch->record.object.open_flags, file->f_flags);
	bpf_probe_read_kernel(&mount, sizeof(mount), &file->f_path.mnt);
	bpf_probe_read_kernel(&entry, sizeof(entry), &file->f_path.dentry);
	return add_path(scratch, mount, entry, part);
}

/* The directory that a relative name starts from; for an absolute name, the task's root. */
GLOBAL int add_base(struct scratch *scratch, s32 descriptor, u32 absolute, u32 part)
{
	if (!scratch)
		return 0;
	struct task_struct *task = bpf_get_current_task_btf();
	struct fs_struct *fs = task->fs;
	u64 mount = 0, entry = 0, file;
	if (absolute) {
		bpf_probe_read_kernel(&mount, sizeof(mount), &fs->root.mnt);
		bpf_probe_read_kernel(&entry, sizeof(entry), &fs->root.dentry);
	} else if (descriptor == AT_FDCWD) {
		bpf_probe_read_kernel(&mount, sizeof(mount), &fs->pwd.mnt);
		bpf_probe_read_kernel(&entry, sizeof(entry), &fs->pwd.dentry);
	} else {
		file = file_of(descriptor);
		if (!file)
			return 0;
		bpf_probe_read_kernel(&mount, sizeof(mount), &((struct file *)file)->f_path.mnt);
		bpf_probe_read_kernel(&entry, sizeof(entry), &((struct file *)file)->f_path.dentry);
	}
	return add_path(scratch, mount, entry, part);
}

#endif
