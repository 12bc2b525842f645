//! Memory that is freed and wanted again.
//!
//! Owns: how much of it the allocator keeps instead of giving it back to the system.
//! Must not know: who uses it.
//!
//! glibc's allocator gives the end of a thread's heap back once 128 KiB of it are free, and asks for it
//! again page by page. Records go from the check thread to the journal's, which frees a few
//! milliseconds' worth at once; without more patience every second check pays a system call and a
//! page fault for the page that was given back.

use std::hint::black_box;

/// Freeing a block with a mapping of its own makes the allocator keep twice as much of every heap.
///
/// Source: mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD, "dynamic".
const BLOCK_BYTES: usize = 1 << 20;

/// Lets the allocator keep up to 2 MiB of each thread's heap. Once, before the threads begin; another
/// allocator takes no notice.
pub fn keep_freed_memory() {
    drop(black_box(Vec::<u8>::with_capacity(BLOCK_BYTES)));
}
