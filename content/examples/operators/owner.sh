kubectl create -f site/site.yaml
kubectl create namespace other
uid=$(kubectl get site hello -o jsonpath='{.metadata.uid}')
kubectl -n other create configmap orphan
kubectl -n other patch configmap orphan --type=merge -p \
  '{"metadata":{"ownerReferences":[{"apiVersion":"web.example.com/v1","kind":"Site","name":"hello","uid":"'$uid'"}]}}'
kubectl -n other wait --for=delete configmap/orphan --timeout=30s >/dev/null
until kubectl -n other get events -o name | grep -q .; do sleep 0.2; done
kubectl -n other get events -o custom-columns=REASON:.reason,OBJECT:.involvedObject.name
kubectl delete namespace other --wait=false
