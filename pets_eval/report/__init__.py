"""From records to pages. Start at `pets_eval.report.write.write_reports`, or at `scorecard` for the values alone."""
