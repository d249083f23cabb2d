/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * Sockets: which one stands behind a descriptor, and with whom it speaks. Addresses are appended as
 * the `sockaddr` of their family, so that the reader has one way to read them.
 */
#ifndef WATCHGLASS_SOCKETS_H
#define WATCHGLASS_SOCKETS_H

#include "files.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define ADDRESS_BYTES 128

enum end { END_NONE, END_PEER, END_LOCAL };

INLINE u64 socket_of(u64 file)
{
	u64 socket = 0, sock = 0;
	bpf_probe_read_kernel(&socket, sizeof(socket), &((struct file *)file)->private_data);
	bpf_probe_read_kernel(&sock, sizeof(sock), &((struct socket *)socket)->sk);
	return sock;
}

/* sockaddr_in: family, port, address. */
INLINE void add_inet(struct scratch *scratch, struct sock *sock, u32 used, u32 end)
{
	u8 *to = scratch->data + used;
	u16 family = AF_INET, port = 0;
	u32 address = 0;
	if (end == END_PEER) {
		READ(port, sock->__sk_common.skc_dport);
		READ(address, sock->__sk_common.skc_daddr);
	} else {
		READ(port, sock->__sk_common.skc_num);
		port = __builtin_bswap16(port);
		READ(address, sock->__sk_common.skc_rcv_saddr);
	}
	if (end == END_PEER && !port)
		return;
	__builtin_memcpy(to, &family, 2);
	__builtin_memcpy(to + 2, &port, 2);
	__builtin_memcpy(to + 4, &address, 4);
	scratch->record.part[PART_STRING] = 8;
	scratch->used = used + 8;
}

/* sockaddr_in6: family, port, flow, address. */
INLINE void add_inet6(struct scratch *scratch, struct sock *sock, u32 used, u32 end)
{
	u8 *to = scratch->data + used;
	u16 family = AF_INET6, port = 0;
	if (end == END_PEER) {
		READ(port, sock->__sk_common.skc_dport);
		bpf_probe_read_kernel(to + 8, 16, &sock->__sk_common.skc_v6_daddr);
	} else {
		READ(port, sock->__sk_common.skc_num);
		port = __builtin_bswap16(port);
		bpf_probe_read_kernel(to + 8, 16, &sock->__sk_common.skc_v6_rcv_saddr);
	}
	if (end == END_PEER && !port)
		return;
	__builtin_memcpy(to, &family, 2);
	__builtin_memcpy(to + 2, &port, 2);
	__builtin_memset(to + 4, 0, 4);
	scratch->record.part[PART_STRING] = 24;
	scratch->used = used + 24;
}

/* The path to which the socket is bound, and the address it was given. */
GLOBAL int add_unix(struct scratch *scratch, u64 address)
{
	if (!scratch || !address)
		return 0;
	struct unix_sock *sock = (struct unix_sock *)address;
	struct unix_address *name;
	u64 mount = 0, entry = 0;
	int length = 0;
	bpf_probe_read_kernel(&mount, sizeof(mount), &sock->path.mnt);
	bpf_probe_read_kernel(&entry, sizeof(entry), &sock->path.dentry);
	add_path(scratch, mount, entry, PART_PATH);
	u32 used = scratch->used;
	if (used > DATA_BYTES - ADDRESS_BYTES)
		return 0;
	READ(name, sock->addr);
	READ(length, name->len);
	u16 family = AF_UNIX;
	u32 size = length;
	if (!name || size < 2)
		size = 2;
	if (size > ADDRESS_BYTES)
		size = ADDRESS_BYTES;
	if (!name || bpf_probe_read_kernel(scratch->data + used, size, name->name))
		size = 2;
	__builtin_memcpy(scratch->data + used, &family, 2);
	scratch->record.part[PART_STRING] = size;
	scratch->used = used + size;
	return 0;
}

/* The socket behind an open file, and the address of one of its ends as the kernel holds it. */
GLOBAL int add_socket(struct scratch *scratch, u64 file, u32 end)
{
	if (!scratch || !file)
		return 0;
	struct object *object = &scratch->record.object;
	add_inode(&scratch->record, inode_of(file));
	if ((object->mode & S_IFMT) != S_IFSOCK)
		return 0;
	struct sock *sock = (struct sock *)socket_of(file);
	s64 cookie = 0;
	READ(cookie, sock->__sk_common.skc_cookie.counter);
	READ(object->family, sock->__sk_common.skc_family);
	READ(object->type, sock->sk_type);
	READ(object->protocol, sock->sk_protocol);
	object->cookie = cookie;
	u32 used = scratch->used;
	if (end == END_NONE || used > DATA_BYTES - ADDRESS_BYTES)
		return 1;
	if (object->family == AF_INET)
		add_inet(scratch, sock, used, end);
	else if (object->family == AF_INET6)
		add_inet6(scratch, sock, used, end);
	else if (object->family == AF_UNIX) {
		u64 other = (u64)sock;
		if (end == END_PEER)
			bpf_probe_read_kernel(&other, sizeof(other),
					      &((struct unix_sock *)sock)->peer);
		add_unix(scratch, other);
	}
	return 1;
}

/* How many descriptors the control part of a message carries. */
GLOBAL int count_rights(u64 control, u64 length)
{
	int count = 0;
	if (!control)
		return 0;
	for (u32 step = 0; step < 8; step++) {
		struct {
			u64 length;
			u32 level, type;
		} head;
		if (length < sizeof(head) || bpf_probe_read_user(&head, sizeof(head), control))
			break;
		if (head.length < sizeof(head) || head.length > length)
			break;
		if (head.level == 1 && head.type == 1) /* SOL_SOCKET, SCM_RIGHTS */
			count += (head.length - sizeof(head)) / 4;
		u64 whole = (head.length + 7) & ~7ULL;
		if (whole >= length)
			break;
		control += whole;
		length -= whole;
	}
	return count;
}

#endif
