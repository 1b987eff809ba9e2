"""The names of Celery's settings, which its group in a settings file may hold.

Other applications' files name more than Cinemill reads. A name of Celery's is read, or ignored with
a warning; any other name in the group is a misspelling. Listed here, since this package does not
import Celery; a test compares the list with Celery's own.
"""

from __future__ import annotations

from collections.abc import Mapping

_NAMES: Mapping[str, str] = {
    "": "accept_content enable_utc imports include result_accept_content timezone",
    "arangodb": "backend_settings",
    "azureblockblob": (
        "base_path connection_timeout container_name read_timeout retry_increment_base "
        "retry_initial_backoff_sec retry_max_attempts"
    ),
    "beat": (
        "cron_starting_deadline enable_remote_control max_loop_interval "
        "remote_control_max_tick_age schedule schedule_filename scheduler sync_every"
    ),
    "broker": (
        "channel_error_retry connection_max_retries connection_retry "
        "connection_retry_on_startup connection_timeout failover_strategy heartbeat "
        "heartbeat_checkrate host login_method native_delayed_delivery_queue_type password "
        "pool_acquire_timeout pool_limit port read_url transport transport_options url "
        "use_ssl user vhost write_url"
    ),
    "cache": "backend backend_options",
    "cassandra": (
        "auth_kwargs auth_provider bundle_path entry_ttl keyspace options port "
        "read_consistency servers table write_consistency"
    ),
    "control": "exchange queue_durable queue_exclusive queue_expires queue_ttl",
    "cosmosdbsql": (
        "collection_name consistency_level database_name max_retry_attempts max_retry_wait_time"
    ),
    "couchbase": "backend_settings",
    "database": (
        "create_tables_at_setup engine_callback engine_options short_lived_sessions "
        "table_names table_schemas url"
    ),
    "elasticsearch": "max_retries retry_on_timeout save_meta_as_text timeout",
    "event": (
        "exchange queue_durable queue_exclusive queue_expires queue_prefix queue_ttl serializer"
    ),
    "gcs": "base_path bucket project ttl",
    "mongodb": "backend_settings",
    "redis": (
        "backend_use_ssl db host max_connections password port retry_on_timeout "
        "socket_connect_timeout socket_keepalive socket_timeout username"
    ),
    "result": (
        "backend backend_always_retry backend_base_sleep_between_retries_ms "
        "backend_max_retries backend_max_sleep_between_retries_ms backend_transport_options "
        "cache_max chord_expires chord_join_timeout chord_retry_interval compression exchange "
        "exchange_type expires extended failure_expires persistent serializer"
    ),
    "s3": "access_key_id base_path bucket endpoint_url region secret_access_key",
    "security": "cert_store certificate digest key key_password",
    "task": (
        "acks_late acks_on_failure acks_on_failure_or_timeout acks_on_timeout "
        "allow_error_cb_on_chord_header always_eager annotations compression "
        "create_missing_queue_exchange_type create_missing_queue_type create_missing_queues "
        "default_delivery_mode default_exchange default_exchange_type default_priority "
        "default_queue default_queue_type default_rate_limit default_routing_key "
        "eager_propagates ignore_result inherit_parent_priority protocol publish_retry "
        "publish_retry_policy queue_max_priority queues reject_on_worker_lost "
        "remote_tracebacks repr_maxlevels retry_on_worker_lost routes send_sent_event "
        "serializer soft_time_limit store_eager_result store_errors_even_if_ignored "
        "time_limit track_started"
    ),
    "worker": (
        "agent autoscaler cancel_long_running_tasks_on_connection_loss concurrency consumer "
        "deduplicate_successful_tasks detect_quorum_queues direct disable_prefetch "
        "disable_rate_limits enable_prefetch_count_reduction enable_remote_control "
        "enable_soft_shutdown_on_idle eta_task_limit hijack_root_logger log_color log_datefmt "
        "log_format lost_wait max_memory_per_child max_tasks_per_child pool pool_putlocks "
        "pool_restarts pool_start_method prefetch_multiplier proc_alive_timeout "
        "redirect_stdouts redirect_stdouts_level send_task_events soft_shutdown_timeout "
        "state_db task_log_datefmt task_log_format timer timer_precision"
    ),
}
"""What follows the first word of a name, by that word; empty for names of their own."""
CELERY_NAMES = frozenset(
    f"{first}_{rest}".removeprefix("_") for first, names in _NAMES.items() for rest in names.split()
)
"""Every setting of Celery 5.7."""
