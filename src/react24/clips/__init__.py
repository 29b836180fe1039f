"""From features to clips: z-scores, windows, which reactions are appropriate."""
