/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * The probe: what the sensor of tier T1 runs inside of the kernel.
 *
 * It reads and never changes what a process sees; every hook lets pass. Every program asks first
 * whether the current task belongs to the world, and ends there if not.
 */
#include "calls.h"
#include "life.h"
#include "hooks.h"
#include "tls.h"

/* The kernel opens the helpers used here to programs that are also under the GPL; MIT permits that. */
char LICENSE[] SEC("license") = "Dual MIT/GPL";
