-- workers/reconciler.c: JSON array of {"media", "call", "user", "sign_in", "connected", "made"}, what the mediads have.
-- Rows: media of those that should not be there (call over, member left, replaced).
select * from parley_media_reconcile($1)
