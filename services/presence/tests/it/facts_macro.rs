/// Each fact as a test over either adapter of live.
macro_rules! facts {
    ($($fact:ident),+ $(,)?) => {
        mod over_memory {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $fact() {
                    super::$fact(crate::world::World::over(crate::world::memory().await).await).await;
                }
            )+
        }

        mod over_redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $fact() {
                    super::$fact(crate::world::World::over(crate::world::redis().await).await).await;
                }
            )+
        }
    };
}

pub(crate) use facts;
