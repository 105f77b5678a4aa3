-- workers/reconciler.c: JSON array of {"call", "user", "sign_in", "connected", "made"}, the complete list of all
-- mediads (not to be called with less). Members who are back, or whose transport is gone, change their state. Row:
-- notify.
select * from parley_media_present($1)
