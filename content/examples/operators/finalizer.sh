kubectl create -f site/site.yaml
kubectl patch site hello --type=merge -p '{"metadata":{"finalizers":["web.example.com/address"]}}'
kubectl delete site hello --wait=false
kubectl get site hello -o name
kubectl patch site hello --type=merge -p '{"metadata":{"finalizers":["web.example.com/address","web.example.com/late"]}}'
kubectl patch site hello --type=merge -p '{"metadata":{"finalizers":null}}'
kubectl get site hello -o name
