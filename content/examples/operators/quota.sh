kubectl create namespace tight
until kubectl -n tight get serviceaccount default -o name >/dev/null 2>&1; do sleep 0.2; done
kubectl -n tight apply -f quota/quota.yaml
until kubectl -n tight get resourcequota operators -o jsonpath='{.status.hard}' | grep -q cpu; do sleep 0.2; done
kubectl -n tight run bare --image=my-registry.corp/op:v1.0.0
kubectl -n tight apply -f quota/limits.yaml
until kubectl -n tight run bare --image=my-registry.corp/op:v1.0.0 2>/dev/null; do sleep 0.2; done
kubectl -n tight get pod bare -o jsonpath='{.spec.containers[0].resources}{"\n"}'
kubectl delete namespace tight --wait=false
