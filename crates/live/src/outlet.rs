use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::meters::Meters;
use crate::{Channel, Delivery};

/// The sending end of a subscriber's bounded queue. It never waits: a slow subscriber loses deliveries and learns it.
///
/// The queue has one slot more than asked, and only an interruption may take the last one. So whatever is dropped has
/// an unread [`Delivery::Interrupted`] behind everything that was delivered before it.
pub(crate) struct Outlet {
    queue: mpsc::Sender<Delivery>,
    /// Whether the newest entry is an interruption. The lock also keeps several links from mixing check and send.
    newest_is_interruption: Mutex<bool>,
    meters: Meters,
}

impl Outlet {
    /// An outlet and the receiver of `capacity` deliveries, at least one.
    pub(crate) fn new(capacity: usize, meters: Meters) -> (Self, mpsc::Receiver<Delivery>) {
        let (queue, receiver) = mpsc::channel(capacity.max(1).saturating_add(1));
        (Self { queue, newest_is_interruption: Mutex::new(false), meters }, receiver)
    }

    pub(crate) fn deliver(&self, channel: Channel, payload: Bytes) {
        let mut newest_is_interruption = self.newest_is_interruption.lock();
        if self.queue.capacity() > 1 {
            if self.queue.try_send(Delivery::Message { channel, payload }).is_ok() {
                *newest_is_interruption = false;
                self.meters.delivered.increment(1);
            }
            return;
        }
        self.meters.dropped.increment(1);
        if !*newest_is_interruption {
            self.send_interruption(&mut newest_is_interruption);
        }
    }

    /// Tells that deliveries may have been lost on the way here.
    pub(crate) fn interrupt(&self) {
        let mut newest_is_interruption = self.newest_is_interruption.lock();
        let unread = self.queue.capacity() < self.queue.max_capacity();
        if !(*newest_is_interruption && unread) {
            self.send_interruption(&mut newest_is_interruption);
        }
    }

    fn send_interruption(&self, newest_is_interruption: &mut bool) {
        if self.queue.try_send(Delivery::Interrupted).is_ok() {
            *newest_is_interruption = true;
            self.meters.interruptions.increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbered(number: u8) -> Bytes {
        Bytes::copy_from_slice(&[number])
    }

    proptest! {
        /// Whatever the reader does, each delivery is read in order or an interruption is read after it was dropped.
        #[test]
        fn a_loss_is_always_told(capacity in 1..5_usize, reads in prop::collection::vec(0..4_usize, 1..100)) {
            let (outlet, mut receiver) = Outlet::new(capacity, Meters::new("test"));
            let mut expected = 0_u8;
            let mut take = |delivery: Delivery, sent: u8| match delivery {
                Delivery::Message { payload, .. } => {
                    // A reader that was told of a loss has repaired itself up to what was sent at that time.
                    let number = payload.first().copied().unwrap_or_default();
                    let known = expected >= number;
                    expected = expected.max(number.saturating_add(1));
                    known
                }
                Delivery::Interrupted => {
                    expected = expected.max(sent);
                    true
                }
            };
            let mut sent = 0_u8;
            for read_count in reads {
                outlet.deliver(Channel::Sessions, numbered(sent));
                sent += 1;
                for _ in 0..read_count {
                    if let Ok(delivery) = receiver.try_recv() {
                        prop_assert!(take(delivery, sent));
                    }
                }
                prop_assert!(receiver.len() <= capacity + 1);
            }
            while let Ok(delivery) = receiver.try_recv() {
                prop_assert!(take(delivery, sent));
            }
            prop_assert_eq!(expected, sent);
        }
    }

    #[test]
    fn interruptions_in_a_row_are_told_once() {
        let (outlet, mut receiver) = Outlet::new(4, Meters::new("test"));
        outlet.interrupt();
        outlet.interrupt();
        assert_eq!(receiver.try_recv(), Ok(Delivery::Interrupted));
        assert!(receiver.try_recv().is_err());
        outlet.interrupt();
        assert_eq!(receiver.try_recv(), Ok(Delivery::Interrupted));
    }
}
