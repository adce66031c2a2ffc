DROP TABLE deliveries, notifications, web_push_subscriptions, vapid_keys;
