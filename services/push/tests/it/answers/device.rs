//! Devices of each push service, and how they are answered.

use godwit_kernel::{DeviceId, UserId};
use serde_json::Value;

use crate::browser::{self, Browser};
use crate::harness::{Replica, World};
use crate::phone::Phone;
use crate::stage::Manner;

/// What becomes of a notification that was answered so.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// The address is dropped, and with it what was to be sent there.
    Gone,
    /// It is given up at once; the address stays.
    Refused,
    /// It is tried again after so many seconds, or up to half as many more; the address stays.
    Waits(u64),
    /// The push service is left alone for so many seconds, and no try is lost; the address stays.
    Paused(u64),
}

impl Fate {
    /// How often the device is sent something when all is well again: this, and another message.
    pub const fn arrivals_later(self) -> usize {
        match self {
            Self::Gone => 0,
            Self::Refused => 1,
            Self::Waits(_) | Self::Paused(_) => 2,
        }
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub retry_after: Option<&'static str>,
    pub tries: usize,
    pub fate: Fate,
}

pub fn answer(status: u16, body: Value, fate: Fate) -> Answer {
    Answer { status, body, retry_after: None, tries: 1, fate }
}

impl Answer {
    pub fn after(self, secs: &'static str) -> Self {
        Self { retry_after: Some(secs), ..self }
    }

    /// The second at once, with another token of this deployment.
    pub fn twice(self) -> Self {
        Self { tries: 2, ..self }
    }
}

#[derive(Clone, Copy)]
pub enum Kind {
    Apple,
    Google,
    Browser,
}

pub enum Device {
    Apple(Phone),
    Google(Phone),
    Browser(Browser),
}

impl Device {
    pub async fn join(kind: Kind, world: &World, replica: &Replica) -> Self {
        match kind {
            Kind::Apple => {
                let phone = world.member_with_phone();
                replica.register_apple(&phone).await;
                Self::Apple(phone)
            }
            Kind::Google => {
                let phone = world.member_with_phone();
                replica.register_google(&phone).await;
                Self::Google(phone)
            }
            Kind::Browser => {
                let browser = world.member();
                replica.register(&browser, browser.subscription(&world.server)).await.unwrap();
                Self::Browser(browser)
            }
        }
    }

    pub fn ids(&self) -> (DeviceId, UserId) {
        match self {
            Self::Apple(Phone { caller, .. }) | Self::Google(Phone { caller, .. }) => {
                (caller.device_id, caller.user_id)
            }
            Self::Browser(browser) => (browser.caller.device_id, browser.caller.user_id),
        }
    }

    pub fn arrivals(&self, world: &World) -> usize {
        match self {
            Self::Apple(phone) => world.apns.at(&phone.token).len(),
            Self::Google(phone) => world.fcm.at(&phone.token).len(),
            Self::Browser(browser) => world.server.at(browser).len(),
        }
    }

    /// Answers so from now on.
    pub fn refuse(&self, world: &World, answer: &Answer) {
        let Answer { status, body, retry_after, .. } = answer;
        let manner = Manner::Refuse { status: *status, body: body.clone(), retry_after: *retry_after };
        match self {
            Self::Apple(phone) => world.apns.behave(&phone.token, Some(manner)),
            Self::Google(phone) => world.fcm.behave(&phone.token, Some(manner)),
            Self::Browser(browser) => {
                let manner = match retry_after {
                    Some(pause) => browser::Manner::Busy { retry_after: (*pause).to_owned() },
                    None => browser::Manner::Status(*status),
                };
                world.server.behave(browser, manner);
            }
        }
    }

    /// Takes everything from now on.
    pub fn take(&self, world: &World) {
        match self {
            Self::Apple(phone) => world.apns.behave(&phone.token, None),
            Self::Google(phone) => world.fcm.behave(&phone.token, None),
            Self::Browser(browser) => world.server.behave(browser, browser::Manner::Status(201)),
        }
    }
}
