use std::sync::atomic::Ordering;
use std::time::Duration;

use godwit_contract::auth::v1::auth_internal_service_server::AuthInternalService;
use godwit_contract::auth::v1::auth_service_server::AuthService;
use godwit_contract::auth::v1::user_service_server::UserService;
use godwit_contract::auth::v1::*;
use godwit_contract::v1::User;
use godwit_rpc::{Caller, FieldViolation, InvalidField, ServiceError, to_status};
use tonic::{Code, Request, Response, Status};

use super::{Answer, Services};

#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("The e-mail address is taken.")]
    Taken,
    #[error("The table is gone.")]
    Broken,
    #[error("Come back later.")]
    Busy,
    #[error(transparent)]
    Invalid(#[from] InvalidField),
}

impl ServiceError for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Taken => Code::AlreadyExists,
            Self::Broken => Code::Internal,
            Self::Busy => Code::ResourceExhausted,
            Self::Invalid(field) => field.code(),
        }
    }
    fn reason(&self) -> &'static str {
        match self {
            Self::Taken => "EMAIL_TAKEN",
            Self::Broken => "TABLE_GONE",
            Self::Busy => "BUSY",
            Self::Invalid(field) => field.reason(),
        }
    }
    fn fields(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(field) => field.fields(),
            _ => vec![],
        }
    }
    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Busy).then(|| Duration::from_secs(7))
    }
}

#[tonic::async_trait]
impl AuthService for Services {
    async fn register(&self, request: Request<RegisterRequest>) -> Answer<RegisterResponse> {
        self.clients.lock().push(godwit_rpc::client_address(&request));
        match request.get_ref().username.as_str() {
            "taken" => Err(to_status(Refusal::Taken)),
            "broken" => Err(to_status(Refusal::Broken)),
            "busy" => Err(to_status(Refusal::Busy)),
            "away" => Err(Status::unavailable("connect to 10.1.2.3 refused")),
            "invalid" => Err(to_status(Refusal::from(InvalidField::new("username", "is not a name")))),
            _ => Ok(Response::new(RegisterResponse { code_expires_in_secs: 900 })),
        }
    }
    async fn verify_email(&self, _: Request<VerifyEmailRequest>) -> Answer<VerifyEmailResponse> {
        Err(Status::unimplemented(""))
    }
    async fn resend_code(&self, _: Request<ResendCodeRequest>) -> Answer<ResendCodeResponse> {
        Err(Status::unimplemented(""))
    }
    async fn login(&self, _: Request<LoginRequest>) -> Answer<LoginResponse> {
        Ok(Response::new(LoginResponse::default()))
    }
    async fn refresh(&self, request: Request<RefreshRequest>) -> Answer<RefreshResponse> {
        // Open calls have no caller, whatever was sent.
        match Caller::of(&request) {
            Ok(_) => Err(Status::internal("an open call has a caller")),
            Err(_) => Ok(Response::new(RefreshResponse::default())),
        }
    }
    async fn logout(&self, request: Request<LogoutRequest>) -> Answer<LogoutResponse> {
        self.revoke(&Caller::of(&request)?);
        Ok(Response::new(LogoutResponse {}))
    }
    async fn list_keys(&self, _: Request<ListKeysRequest>) -> Answer<ListKeysResponse> {
        self.key_fetches.fetch_add(1, Ordering::SeqCst);
        if self.hides_keys.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        Ok(Response::new(ListKeysResponse { keys: vec![self.signer.key()] }))
    }
    async fn logout_all(&self, request: Request<LogoutAllRequest>) -> Answer<LogoutAllResponse> {
        Caller::of(&request)?;
        Ok(Response::new(LogoutAllResponse {}))
    }
    async fn list_sessions(&self, _: Request<ListSessionsRequest>) -> Answer<ListSessionsResponse> {
        Err(Status::unimplemented(""))
    }
    async fn revoke_session(&self, request: Request<RevokeSessionRequest>) -> Answer<RevokeSessionResponse> {
        Caller::of(&request)?;
        match request.get_ref().session_id.as_str() {
            "00000000-0000-7000-8000-000000000000" => Err(Status::not_found("no such session")),
            _ => Ok(Response::new(RevokeSessionResponse {})),
        }
    }
    async fn list_logins(&self, _: Request<ListLoginsRequest>) -> Answer<ListLoginsResponse> {
        Err(Status::unimplemented(""))
    }
    async fn forgot_password(&self, _: Request<ForgotPasswordRequest>) -> Answer<ForgotPasswordResponse> {
        Ok(Response::new(ForgotPasswordResponse::default()))
    }
    async fn reset_password(&self, _: Request<ResetPasswordRequest>) -> Answer<ResetPasswordResponse> {
        Err(Status::unimplemented(""))
    }
    async fn setup_two_factor(&self, _: Request<SetupTwoFactorRequest>) -> Answer<SetupTwoFactorResponse> {
        Err(Status::unimplemented(""))
    }
    async fn confirm_two_factor(&self, _: Request<ConfirmTwoFactorRequest>) -> Answer<ConfirmTwoFactorResponse> {
        Err(Status::unimplemented(""))
    }
    async fn verify_two_factor(&self, _: Request<VerifyTwoFactorRequest>) -> Answer<VerifyTwoFactorResponse> {
        Ok(Response::new(VerifyTwoFactorResponse::default()))
    }
    async fn disable_two_factor(&self, request: Request<DisableTwoFactorRequest>) -> Answer<DisableTwoFactorResponse> {
        Caller::of(&request)?;
        let DisableTwoFactorRequest { password, code } = request.into_inner();
        self.proofs.lock().push(format!("{password} {code}"));
        Ok(Response::new(DisableTwoFactorResponse {}))
    }
}

#[tonic::async_trait]
impl UserService for Services {
    async fn get_me(&self, request: Request<GetMeRequest>) -> Answer<GetMeResponse> {
        let caller = Caller::of(&request)?;
        let user = User { id: caller.user_id.to_string(), ..User::default() };
        Ok(Response::new(GetMeResponse { user: Some(user), ..GetMeResponse::default() }))
    }
    async fn update_me(&self, _: Request<UpdateMeRequest>) -> Answer<UpdateMeResponse> {
        Err(Status::unimplemented(""))
    }
    async fn delete_me(&self, request: Request<DeleteMeRequest>) -> Answer<DeleteMeResponse> {
        Caller::of(&request)?;
        let password = request.into_inner().password;
        if password.is_empty() {
            return Err(to_status(InvalidField::new("password", "is missing")));
        }
        self.proofs.lock().push(password);
        Ok(Response::new(DeleteMeResponse {}))
    }
    async fn change_password(&self, _: Request<ChangePasswordRequest>) -> Answer<ChangePasswordResponse> {
        Err(Status::unimplemented(""))
    }
    async fn set_avatar(&self, _: Request<SetAvatarRequest>) -> Answer<SetAvatarResponse> {
        Err(Status::unimplemented(""))
    }
    async fn remove_avatar(&self, _: Request<RemoveAvatarRequest>) -> Answer<RemoveAvatarResponse> {
        Err(Status::unimplemented(""))
    }
    async fn get_privacy(&self, _: Request<GetPrivacyRequest>) -> Answer<GetPrivacyResponse> {
        Err(Status::unimplemented(""))
    }
    async fn update_privacy(&self, _: Request<UpdatePrivacyRequest>) -> Answer<UpdatePrivacyResponse> {
        Err(Status::unimplemented(""))
    }
    async fn get_user(&self, _: Request<GetUserRequest>) -> Answer<GetUserResponse> {
        Err(Status::not_found("no such user"))
    }
    async fn get_user_by_username(&self, _: Request<GetUserByUsernameRequest>) -> Answer<GetUserByUsernameResponse> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl AuthInternalService for Services {
    async fn get_users(&self, _: Request<GetUsersRequest>) -> Answer<GetUsersResponse> {
        Err(Status::unimplemented(""))
    }
    async fn check_access(&self, _: Request<CheckAccessRequest>) -> Answer<CheckAccessResponse> {
        Err(Status::unimplemented(""))
    }
    async fn list_revocations(&self, request: Request<ListRevocationsRequest>) -> Answer<ListRevocationsResponse> {
        if self.hides_revocations.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let request = request.into_inner();
        let since = request.revoked_since.as_ref().and_then(godwit_rpc::instant);
        // Two a page, so that pages are followed.
        let revoked = self.revoked.lock();
        let wanted = revoked.iter().filter(|(session, at)| {
            session.to_string() > request.after_session_id && since.is_none_or(|since| **at >= since)
        });
        let mut revocations: Vec<Revocation> = wanted
            .map(|(session, _)| Revocation { session_id: session.to_string(), ..Revocation::default() })
            .take(3)
            .collect();
        let has_more = revocations.len() > 2;
        revocations.truncate(2);
        drop(revoked);
        self.revocation_asks.lock().push(request);
        Ok(Response::new(ListRevocationsResponse { revocations, has_more }))
    }
    async fn resolve_usernames(&self, _: Request<ResolveUsernamesRequest>) -> Answer<ResolveUsernamesResponse> {
        Err(Status::unimplemented(""))
    }
}
