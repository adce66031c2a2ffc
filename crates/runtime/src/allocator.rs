/// mimalloc keeps the memory of many small, short-lived buffers on many threads lower and steadier than glibc does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
