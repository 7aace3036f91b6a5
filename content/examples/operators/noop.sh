kubectl create -f site/site.yaml
version() { kubectl get site hello -o jsonpath='{.metadata.resourceVersion}'; }
before=$(version)
kubectl get site hello -o json | kubectl replace -f -
[ "$before" = "$(version)" ] && echo "same resourceVersion: no event was sent"
kubectl annotate site hello checked-at="$(date +%s%N)" --overwrite
[ "$before" = "$(version)" ] || echo "new resourceVersion: every watcher is woken"
