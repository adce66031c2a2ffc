use std::time::{Duration, Instant};

use godwit_live::TokenBucket;

/// A token bucket of this process.
#[derive(Debug)]
pub struct Bucket {
    size: TokenBucket,
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    /// A full one.
    pub fn new(size: TokenBucket) -> Self {
        Self { size, tokens: size.capacity.into(), filled_at: Instant::now() }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// When there is none, with the time until there is.
    pub fn take(&mut self) -> Result<(), Duration> {
        let now = Instant::now();
        let added = now.duration_since(self.filled_at).as_secs_f64() * self.size.refill_per_sec;
        self.tokens = (self.tokens + added).min(self.size.capacity.into());
        self.filled_at = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::try_from_secs_f64((1.0 - self.tokens) / self.size.refill_per_sec).unwrap_or(Duration::MAX))
    }

    /// Tokens left.
    pub fn remaining(&self) -> u32 {
        // The cast saturates; there is never less than nothing.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let whole = self.tokens as u32;
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_what_it_holds_and_then_tells_when() {
        let mut bucket = Bucket::new(TokenBucket { capacity: 2, refill_per_sec: 0.1 });
        assert_eq!((bucket.take(), bucket.remaining(), bucket.take()), (Ok(()), 1, Ok(())));
        let pause = bucket.take().unwrap_err();
        assert!(pause > Duration::from_secs(9) && pause <= Duration::from_secs(10), "{pause:?}");
    }
}
