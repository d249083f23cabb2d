/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * What the probe puts into the ring. This layout belongs to the sensor and its probe alone: the
 * reader stands in crates/edge/sensor/src/bpf/record.rs, and both come from one build.
 */
#ifndef WATCHGLASS_RECORD_H
#define WATCHGLASS_RECORD_H

#include "kernel.h"

enum kind {
	KIND_CALL = 1,	  /* a system call returned */
	KIND_TRANSFER,	  /* bytes went through a descriptor for the first time */
	KIND_FORK,
	KIND_EXEC,
	KIND_EXIT,
	KIND_MOVE,	  /* a task changed its cgroup */
	KIND_RING,	  /* a request through io_uring */
	KIND_FOREIGN,	  /* a system call of another ABI */
	KIND_SOCKET,	  /* cgroup hook: a socket is made */
	KIND_CONNECT,	  /* cgroup hook */
	KIND_BIND,	  /* cgroup hook */
	KIND_DATAGRAM,	  /* cgroup hook: a datagram with an address */
	KIND_TLS,	  /* clear text */
	KIND_MESSAGE,	  /* one message with an address, or with descriptors */
};

enum source { SOURCE_TRACEPOINT, SOURCE_CGROUP, SOURCE_UPROBE, SOURCES };

/* Parts of the payload, in this order; what each holds depends on the kind. */
enum part { PART_PATH, PART_STRING, PART_PATH_2, PART_STRING_2, PARTS };

/* Flags for the first path; the second path's are shifted by PATH_FLAG_BITS. */
enum {
	PATH_CUT = 1,	      /* deeper or longer than the probe walks */
	PATH_UNREACHABLE = 2, /* not below the root of the task's mount namespace */
	PATH_DETACHED = 4,    /* below no mount: memory, pipe, socket, anonymous */
	PATH_WALKED = 8,      /* there is a path, even if it has no name */
	PATH_FLAG_BITS = 4,
	FLAG_MORE_MESSAGES = 256, /* messages of one call beyond those recorded */
};

struct object {
	u64 inode;
	u64 cookie;
	u32 device;
	u32 generation;
	u32 magic;
	u32 open_flags;
	u16 mode;
	u16 family;
	u16 type;
	u16 protocol;
};

struct record {
	u8 kind;
	u8 source;
	u16 cpu;
	u32 call;
	u64 sequence; /* gap-free for one source on one CPU */
	u64 at_ns;
	u64 start_ns;
	u32 process;
	u32 thread;
	u32 uid;
	u32 flags;
	u64 image; /* tells one exec of a process from the next */
	s64 result;
	u64 argument[6];
	struct object object;
	u16 part[PARTS];
};

_Static_assert(sizeof(struct object) == 40, "as record.rs reads it");
_Static_assert(sizeof(struct record) == 160, "as record.rs reads it");

/* Names one file or socket in one direction of one exec image. Never a `struct file *`: the kernel
 * uses that memory again, which once merged 19,000 files into 30. */
struct transfer_key {
	u64 inode;
	u64 image;
	u32 device;
	u32 generation;
	u32 process;
	u32 direction;
};

/* Only ever grows, so that the reader may take differences without a lock. */
struct transfer {
	u64 bytes;
	u64 calls;
};

struct flow_key {
	u64 cookie;
	u8 address[16];
	u16 port; /* as on the wire */
	u8 protocol;
	u8 direction;
	u32 family;
};

struct counts {
	u64 emitted;
	u64 lost;
};

enum { DIRECTION_IN = 0, DIRECTION_OUT = 1 };

#endif
