use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

/// The metrics of one adapter, looked up once: publishing and delivering are hot.
#[derive(Clone)]
pub(crate) struct Meters {
    pub(crate) published: Counter,
    pub(crate) publish_failures: Counter,
    pub(crate) command_failures: Counter,
    pub(crate) delivered: Counter,
    pub(crate) dropped: Counter,
    pub(crate) interruptions: Counter,
    pub(crate) subscribed_channels: Gauge,
}

impl Meters {
    pub(crate) fn new(adapter: &'static str) -> Self {
        describe_counter!("godwit_live_published_total", "Payloads handed to the live store");
        describe_counter!("godwit_live_publish_failures_total", "Payloads that may not have been sent");
        describe_counter!("godwit_live_command_failures_total", "Commands on keys that failed");
        describe_counter!("godwit_live_delivered_total", "Payloads put into subscribers' queues");
        describe_counter!("godwit_live_dropped_total", "Payloads dropped because a subscriber's queue was full");
        describe_counter!("godwit_live_interruptions_total", "Times that subscribers were told of a possible loss");
        describe_gauge!("godwit_live_subscribed_channels", Unit::Count, "Channels that this process listens to");
        Self {
            published: counter!("godwit_live_published_total", "adapter" => adapter),
            publish_failures: counter!("godwit_live_publish_failures_total", "adapter" => adapter),
            command_failures: counter!("godwit_live_command_failures_total", "adapter" => adapter),
            delivered: counter!("godwit_live_delivered_total", "adapter" => adapter),
            dropped: counter!("godwit_live_dropped_total", "adapter" => adapter),
            interruptions: counter!("godwit_live_interruptions_total", "adapter" => adapter),
            subscribed_channels: gauge!("godwit_live_subscribed_channels", "adapter" => adapter),
        }
    }
}

/// A count of things as the metrics take it.
pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
