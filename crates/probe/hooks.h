/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * Cgroup hooks: a second account of the network that does not depend on system calls. It sees
 * io_uring, TCP Fast Open, MPTCP and raw sockets, and the address as the kernel copied it, once.
 * It does not see AF_PACKET, AF_VSOCK and sockets that were made outside of the world.
 */
#ifndef WATCHGLASS_HOOKS_H
#define WATCHGLASS_HOOKS_H

#include "common.h"

#define AF_INET 2
#define AF_INET6 10

struct hook_record {
	struct record record;
	u8 address[24];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, struct transfer);
	__uint(max_entries, 65536);
} flows SEC(".maps");

/* These programs can be preempted, so they build their record in the ring and not in a scratch. */
INLINE struct hook_record *begin_hook(u8 kind, void *context)
{
	struct hook_record *hook = bpf_ringbuf_reserve(&ring, sizeof(*hook), 0);
	if (!hook) {
		u32 source = SOURCE_CGROUP;
		struct counts *counts = bpf_map_lookup_elem(&counters, &source);
		if (counts) {
			__sync_fetch_and_add(&counts->emitted, 1);
			__sync_fetch_and_add(&counts->lost, 1);
		}
		return 0;
	}
	begin_record(&hook->record, kind, SOURCE_CGROUP);
	__builtin_memset(hook->address, 0, sizeof(hook->address));
	hook->record.object.cookie = bpf_get_socket_cookie(context);
	number(&hook->record);
	return hook;
}

INLINE int on_address(struct bpf_sock_addr *context, u8 kind, u16 family)
{
	struct hook_record *hook = begin_hook(kind, context);
	if (!hook)
		return 1;
	u16 port = context->user_port;
	__builtin_memcpy(hook->address, &family, 2);
	__builtin_memcpy(hook->address + 2, &port, 2);
	if (family == AF_INET) {
		u32 address = context->user_ip4;
		__builtin_memcpy(hook->address + 4, &address, 4);
	} else {
		u32 a = context->user_ip6[0], b = context->user_ip6[1];
		u32 c = context->user_ip6[2], d = context->user_ip6[3];
		__builtin_memcpy(hook->address + 8, &a, 4);
		__builtin_memcpy(hook->address + 12, &b, 4);
		__builtin_memcpy(hook->address + 16, &c, 4);
		__builtin_memcpy(hook->address + 20, &d, 4);
	}
	hook->record.object.family = context->family;
	hook->record.object.type = context->type;
	hook->record.object.protocol = context->protocol;
	hook->record.part[PART_STRING] = sizeof(hook->address);
	bpf_ringbuf_submit(hook, BPF_RB_NO_WAKEUP);
	return 1;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *context)
{
	return on_address(context, KIND_CONNECT, AF_INET);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *context)
{
	return on_address(context, KIND_CONNECT, AF_INET6);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *context)
{
	return on_address(context, KIND_DATAGRAM, AF_INET);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *context)
{
	return on_address(context, KIND_DATAGRAM, AF_INET6);
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *context)
{
	return on_address(context, KIND_BIND, AF_INET);
}

SEC("cgroup/bind6")
int bind6(struct bpf_sock_addr *context)
{
	return on_address(context, KIND_BIND, AF_INET6);
}

SEC("cgroup/sock_create")
int sock_create(struct bpf_sock *context)
{
	struct hook_record *hook = begin_hook(KIND_SOCKET, context);
	if (!hook)
		return 1;
	hook->record.object.family = context->family;
	hook->record.object.type = context->type;
	hook->record.object.protocol = context->protocol;
	bpf_ringbuf_submit(hook, BPF_RB_NO_WAKEUP);
	return 1;
}

INLINE void count_packet(struct __sk_buff *packet, struct flow_key *key, u64 bytes)
{
	struct transfer *known = bpf_map_lookup_elem(&flows, key);
	if (!known) {
		struct transfer fresh = {};
		bpf_map_update_elem(&flows, key, &fresh, BPF_NOEXIST);
		known = bpf_map_lookup_elem(&flows, key);
	}
	if (known) {
		__sync_fetch_and_add(&known->bytes, bytes);
		__sync_fetch_and_add(&known->calls, 1);
		return;
	}
	u32 source = SOURCE_CGROUP;
	struct counts *counts = bpf_map_lookup_elem(&counters, &source);
	if (counts) {
		__sync_fetch_and_add(&counts->emitted, 1);
		__sync_fetch_and_add(&counts->lost, 1);
	}
}

/* Payload of a packet by its remote end. The socket is known here; the process is not, since packets
 * are also sent by timers and interrupts. */
INLINE int on_packet(struct __sk_buff *packet, u8 direction)
{
	struct flow_key key = {};
	u8 first = 0, offset = 0;
	u32 head;
	u64 length = packet->len;
	key.direction = direction;
	key.cookie = bpf_get_socket_cookie(packet);
	if (bpf_skb_load_bytes(packet, 0, &first, 1))
		return 1;
	if (first >> 4 == 4) {
		key.family = AF_INET;
		head = (first & 15) * 4;
		bpf_skb_load_bytes(packet, 9, &key.protocol, 1);
		bpf_skb_load_bytes(packet, direction == DIRECTION_OUT ? 16 : 12, key.address, 4);
	} else {
		key.family = AF_INET6;
		head = 40;
		bpf_skb_load_bytes(packet, 6, &key.protocol, 1);
		bpf_skb_load_bytes(packet, direction == DIRECTION_OUT ? 24 : 8, key.address, 16);
	}
	if (key.protocol == 6 || key.protocol == 17) {
		bpf_skb_load_bytes(packet, head + (direction == DIRECTION_OUT ? 2 : 0), &key.port, 2);
		if (key.protocol == 6)
			bpf_skb_load_bytes(packet, head + 12, &offset, 1);
		head += key.protocol == 6 ? (offset >> 4) * 4 : 8;
	}
	count_packet(packet, &key, length > head ? length - head : 0);
	return 1;
}

SEC("cgroup_skb/egress")
int packet_out(struct __sk_buff *packet)
{
	return on_packet(packet, DIRECTION_OUT);
}

SEC("cgroup_skb/ingress")
int packet_in(struct __sk_buff *packet)
{
	return on_packet(packet, DIRECTION_IN);
}

#endif
