use std::time::Duration;

use bytes::Bytes;
use godwit_live::memory::MemoryLive;
use godwit_live::{Channel, Delivery, Live as _, Losses};
use tokio_util::sync::CancellationToken;

#[tokio::test(start_paused = true)]
async fn of_many_losses_all_are_told_once_and_of_a_later_one_again() {
    let (live, losses, stop) = (MemoryLive::new(), Losses::default(), CancellationToken::new());
    let (subscription, mut deliveries) = live.subscribe(10).await.unwrap();
    subscription.add(&[Channel::Sessions]).await.unwrap();
    let lost = Bytes::from_static(b"lost");
    let listening = async {
        for _ in 0..2 {
            (0..5).for_each(|_| losses.note());
            let Some(Delivery::Message { channel, payload }) = deliveries.recv().await else { panic!("not told") };
            assert_eq!((channel, &payload), (Channel::Sessions, &lost));
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert!(deliveries.try_recv().is_err(), "once is enough");
        }
        stop.cancel();
    };
    tokio::join!(losses.tell(&live, lost.clone(), stop.clone()), listening);
}
