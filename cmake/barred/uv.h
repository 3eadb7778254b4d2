/* SPDX-License-Identifier: MIT
 *
 * Stands before the real uv.h when ipc/ and worker/ are compiled. The fork server and the workers have no event loop:
 * libuv's threads, signal handlers and descriptors do not survive a fork.
 */
#error "libuv belongs to runner/ only"
