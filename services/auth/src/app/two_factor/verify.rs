use godwit_kernel::DeviceId;

use crate::Error;
use crate::app::tokens::SessionDraft;
use crate::app::{App, Fields, SessionTokens, count};
use crate::domain::{ClientAddress, OpaqueToken, SecondFactor, User};
use crate::store::{Completion, CompletionOutcome};

/// The second step of a login.
pub struct VerifyForm {
    /// What the first step gave.
    pub challenge_token: String,
    /// The installation's id; the same as in the first step.
    pub device_id: String,
    /// Of the authenticator, or a recovery code.
    pub code: String,
    /// Where the request came from.
    pub address: Option<ClientAddress>,
}

impl App {
    /// Opens the session that a challenge stands for.
    #[tracing::instrument(name = "auth.verify_two_factor", skip_all)]
    pub async fn verify_two_factor(&self, form: VerifyForm) -> Result<(SessionTokens, User), Error> {
        let result = self.try_verify_two_factor(form).await;
        count("godwit_auth_two_factor_verifications_total", &result);
        result
    }

    async fn try_verify_two_factor(&self, form: VerifyForm) -> Result<(SessionTokens, User), Error> {
        let mut fields = Fields::default();
        let device_id = fields.read("device_id", form.device_id.parse::<DeviceId>().map_err(|_| "must be a UUID"));
        let factor = fields.read("code", SecondFactor::parse(&form.code));
        let (Some(device_id), Some(factor)) = (device_id, factor) else { return Err(fields.refuse()) };
        let pepper = self.keyring.pepper();
        let token = OpaqueToken::parse(&form.challenge_token).ok_or(Error::ChallengeInvalid)?;
        let occasion = self.occasion(form.address);
        let challenge = self.store.challenge(&token.challenge_hash(pepper), occasion.now).await?;
        let challenge =
            challenge.filter(|challenge| challenge.device.id == device_id).ok_or(Error::ChallengeInvalid)?;
        let user_id = challenge.user_id;
        let address_key = form.address.map(|address| address.throttle_key(pepper));
        self.take_second_factor_try(user_id, address_key.as_ref()).await?;
        let proof = self.weigh(user_id, &factor, occasion.now).await?;
        let SessionDraft { session, tokens, record } =
            self.draft_session(user_id, challenge.device.clone(), &occasion)?;
        let completion = Completion { challenge: &challenge, proof, session: &session, record: &record, address_key };
        match self.store.complete_challenge(&completion, &occasion).await? {
            CompletionOutcome::LoggedIn(logged_in) => {
                self.forget_second_factor_failures(user_id).await?;
                self.mail_queued.notify_one();
                self.announce(logged_in.ended).await;
                Ok((tokens, logged_in.user))
            }
            CompletionOutcome::Wrong => Err(Error::TwoFactorCodeWrong),
            CompletionOutcome::Gone => Err(Error::ChallengeInvalid),
        }
    }
}
