use godwit_kernel::UserId;

use super::{App, Fields, count, pause_until};
use crate::Error;
use crate::domain::{Code, CodeCheck, Email};
use crate::events::outgoing;
use crate::store::VerifyOutcome;

impl App {
    /// Tries a code. The right one makes the registration an account and announces it; the same code once more changes
    /// nothing and is answered as the first time.
    #[tracing::instrument(name = "auth.verify_email", skip_all)]
    pub async fn verify_email(&self, email: &str, code: &str) -> Result<(), Error> {
        let result = self.try_verify_email(email, code).await;
        count("godwit_auth_verifications_total", &result);
        result
    }

    async fn try_verify_email(&self, email: &str, code: &str) -> Result<(), Error> {
        let mut fields = Fields::default();
        let email = fields.read("email", Email::parse(email));
        let code = fields.read("code", Code::parse(code));
        let (Some(email), Some(code)) = (email, code) else { return Err(fields.refuse()) };
        let now = self.clock.now();
        let code_hash = code.hash(&email, self.keyring.pepper());
        let user_id = UserId::generate(&*self.clock, &*self.entropy);
        let event = |user: &_| outgoing::account_verified(user, now, &*self.clock, &*self.entropy);
        match self.store.verify_email(&email, &code_hash, user_id, now, event).await? {
            VerifyOutcome::Verified | VerifyOutcome::Not(CodeCheck::Used | CodeCheck::Right) => Ok(()),
            VerifyOutcome::Not(CodeCheck::Wrong) => Err(Error::CodeWrong),
            VerifyOutcome::Not(CodeCheck::Expired) => Err(Error::CodeExpired),
            VerifyOutcome::Not(CodeCheck::Locked { until }) => Err(Error::CodeLocked(pause_until(until, now))),
        }
    }
}
