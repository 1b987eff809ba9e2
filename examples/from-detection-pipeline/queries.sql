-- What the pipeline's users read: analyses, results, frames, suspicious regions and metrics.
SELECT id, asset_id, state, verdict, created_at FROM analyses ORDER BY created_at DESC LIMIT 20;

SELECT analysis_id, verdict, score, reasons FROM analysis_results WHERE score IS NOT NULL;

SELECT analysis_id, time_ms, score FROM frame_scores ORDER BY analysis_id, time_ms LIMIT 100;

SELECT analysis_id, start_ms, end_ms, score, box_left, box_top FROM suspicious_regions;

SELECT avg(processing_seconds), avg(frame_count), avg(cache_hit::int) FROM analysis_metrics;
