/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * Clear text at the boundary of TLS libraries: where it stands is noted at the entry, and it is read
 * at the return, when the library says how much of it counts.
 */
#ifndef WATCHGLASS_TLS_H
#define WATCHGLASS_TLS_H

#include "common.h"

#define TLS_SMALL 512
#define TLS_LARGE 4096

struct tls_key {
	u64 thread;
	u64 cookie; /* library and function, given when the probe is attached (Linux 5.15) */
};

struct tls_call {
	u64 session; /* the library's own object: `SSL *`, `gnutls_session_t` */
	u64 buffer;
	u64 length_at; /* where the `_ex` functions of OpenSSL put the number of bytes */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tls_key);
	__type(value, struct tls_call);
	__uint(max_entries, 16384);
} tls_calls SEC(".maps");

struct tls_small {
	struct record record;
	u8 data[TLS_SMALL];
};

struct tls_large {
	struct record record;
	u8 data[TLS_LARGE];
};

INLINE void count_tls_loss(void)
{
	u32 source = SOURCE_UPROBE;
	struct counts *counts = bpf_map_lookup_elem(&counters, &source);
	if (!counts)
		return;
	__sync_fetch_and_add(&counts->emitted, 1);
	__sync_fetch_and_add(&counts->lost, 1);
}

SEC("uprobe")
int tls_enter(struct pt_regs *context)
{
	if (!in_world())
		return 0;
	struct tls_key key = { bpf_get_current_pid_tgid(), bpf_get_attach_cookie(context) };
	struct tls_call call = { context->di, context->si, context->cx };
	bpf_map_update_elem(&tls_calls, &key, &call, BPF_ANY);
	return 0;
}

INLINE void fill_tls(struct record *record, u64 cookie, u64 session, u64 bytes, u32 direction, u32 kept)
{
	begin_record(record, KIND_TLS, SOURCE_UPROBE);
	record->argument[0] = cookie;
	record->argument[1] = direction;
	record->argument[2] = session;
	record->result = bytes;
	record->part[PART_STRING] = kept;
	number(record);
}

INLINE void tell_tls(u64 cookie, struct tls_call *call, u64 bytes, u32 direction)
{
	u32 kept = bytes > TLS_LARGE ? TLS_LARGE : bytes;
	if (kept <= TLS_SMALL) {
		struct tls_small *small = bpf_ringbuf_reserve(&ring, sizeof(*small), 0);
		if (!small)
			return count_tls_loss();
		if (bpf_probe_read_user(small->data, kept, call->buffer))
			kept = 0;
		fill_tls(&small->record, cookie, call->session, bytes, direction, kept);
		return bpf_ringbuf_submit(small, BPF_RB_NO_WAKEUP);
	}
	struct tls_large *large = bpf_ringbuf_reserve(&ring, sizeof(*large), 0);
	if (!large)
		return count_tls_loss();
	if (bpf_probe_read_user(large->data, kept, call->buffer))
		kept = 0;
	fill_tls(&large->record, cookie, call->session, bytes, direction, kept);
	bpf_ringbuf_submit(large, BPF_RB_NO_WAKEUP);
}

enum answer { ANSWER_LENGTH, ANSWER_SUCCESS };

INLINE int on_tls_return(struct pt_regs *context, u32 direction, enum answer answer)
{
	if (!in_world())
		return 0;
	struct tls_key key = { bpf_get_current_pid_tgid(), bpf_get_attach_cookie(context) };
	s64 result = context->ax;
	struct tls_call *found = bpf_map_lookup_elem(&tls_calls, &key);
	if (!found) {
		count_tls_loss();
		return 0;
	}
	struct tls_call call = *found;
	bpf_map_delete_elem(&tls_calls, &key);
	if (answer == ANSWER_SUCCESS) {
		u64 bytes = 0;
		if ((s32)result == 1)
			bpf_probe_read_user(&bytes, sizeof(bytes), call.length_at);
		result = bytes;
	} else {
		result = (s32)result; /* OpenSSL's is an int; GnuTLS sends at most 16 KiB at once */
	}
	if (result > 0)
		tell_tls(key.cookie, &call, result, direction);
	return 0;
}

SEC("uretprobe")
int tls_sent(struct pt_regs *context)
{
	return on_tls_return(context, DIRECTION_OUT, ANSWER_LENGTH);
}

SEC("uretprobe")
int tls_received(struct pt_regs *context)
{
	return on_tls_return(context, DIRECTION_IN, ANSWER_LENGTH);
}

SEC("uretprobe")
int tls_sent_ex(struct pt_regs *context)
{
	return on_tls_return(context, DIRECTION_OUT, ANSWER_SUCCESS);
}

SEC("uretprobe")
int tls_received_ex(struct pt_regs *context)
{
	return on_tls_return(context, DIRECTION_IN, ANSWER_SUCCESS);
}

#endif
