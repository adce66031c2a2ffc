use super::{App, CueTelling, Telling};
use crate::domain::{Address, Letter, Provider, Scope, Verdict};
use crate::push_service::{Parcel, collapse_id, stable_id};

impl App {
    /// Makes a claimed try.
    #[tracing::instrument(
        name = "push.deliver", skip_all,
        fields(device.id = %telling.delivery.address.device_id, message.id = %telling.delivery.message_id)
    )]
    pub async fn deliver(&self, telling: &Telling) -> Verdict {
        let delivery = &telling.delivery;
        let (device, id) = (delivery.address.device_id, delivery.message_id);
        let parcel = Parcel {
            address: &delivery.address,
            letter: &telling.letter,
            id: stable_id(device, id.chat_id.as_uuid(), id.seq.as_i64()),
            collapse_id: collapse_id(device, id.chat_id.as_uuid(), "messages"),
            is_of_few_chats: delivery.is_of_few_chats,
            unread_count: self.unread_count(&delivery.address).await,
            expires_at: delivery.expires_at,
            now: self.clock.now(),
        };
        self.send(&parcel).await
    }

    /// Makes a claimed try to tell of a cue.
    #[tracing::instrument(
        name = "push.deliver_cue", skip_all,
        fields(device.id = %telling.cue.address.device_id)
    )]
    pub async fn deliver_cue(&self, telling: &CueTelling) -> Verdict {
        let CueTelling { cue, letter } = telling;
        let device = cue.address.device_id;
        let has_badge = matches!(letter, Letter::ChatRead(_) | Letter::MessagesDeleted(_));
        // Never the messages' own: what is shown of the chat and still holds would go with what does not.
        let theme = match letter {
            Letter::MessageCreated(_) => "messages".to_owned(),
            Letter::ChatRead(_) => "read".to_owned(),
            // Each names others.
            Letter::MessagesDeleted(_) => format!("deleted {}", cue.version),
            Letter::CallRinging(_) | Letter::CallOver(_) => "call".to_owned(),
        };
        let parcel = Parcel {
            address: &cue.address,
            letter,
            id: stable_id(device, cue.subject_id, -cue.version),
            collapse_id: collapse_id(device, cue.subject_id, &theme),
            is_of_few_chats: false,
            unread_count: if has_badge { self.unread_count(&cue.address).await } else { None },
            expires_at: cue.expires_at,
            now: self.clock.now(),
        };
        self.send(&parcel).await
    }

    async fn send(&self, parcel: &Parcel<'_>) -> Verdict {
        let provider = parcel.address.provider;
        let Some(service) = self.push.of(provider) else {
            return Verdict::later(Scope::Provider, "this deployment has no account there any more");
        };
        let started = tokio::time::Instant::now();
        let verdict = service.send(parcel).await;
        metrics::histogram!("godwit_push_send_seconds", "provider" => provider.as_str()).record(started.elapsed());
        verdict
    }

    /// Only Apple's devices are told by the server how many messages are unread; others count themselves. It is left as it
    /// is when it cannot be counted.
    async fn unread_count(&self, address: &Address) -> Option<u32> {
        if address.provider != Provider::Apns {
            return None;
        }
        match self.count_unread(address.user_id).await {
            Ok(count) => Some(count),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "unread messages could not be counted");
                None
            }
        }
    }
}
