//! Memory that several threads use, each another part.

/// Arrays that threads use different parts of.
#[derive(Clone, Copy)]
pub(crate) struct Pointers<const N: usize>(pub(crate) [*mut f32; N]);

// SAFETY: whoever gets a part of an array out says why nobody else has it.
unsafe impl<const N: usize> Sync for Pointers<N> {}

impl<const N: usize> Pointers<N> {
    pub(crate) fn at(&self, offset: usize) -> [*mut f32; N] {
        self.0.map(|pointer| pointer.wrapping_add(offset))
    }
}

/// One thing for each thread.
pub(crate) struct Shared<T>(pub(crate) *mut T);

// SAFETY: whoever takes a thing out says why nobody else has it.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) fn at(&self, thread: usize) -> *mut T {
        self.0.wrapping_add(thread)
    }
}
