kubectl create -f site/site.yaml
set_condition() { kubectl patch site hello --subresource=status --type=merge -p "{\"status\":{\"conditions\":[$1]}}"; }
at='"lastTransitionTime":"2026-11-23T21:00:00Z"'
set_condition '{"type":"Available","status":"True","message":"",'$at'}'
set_condition '{"type":"Available","status":"true","reason":"Up","message":"",'$at'}'
set_condition '{"type":"Available","status":"True","reason":"Up","message":"",'$at'}'
