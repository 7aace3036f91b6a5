kubectl create -f site/site.yaml
kubectl get site hello -o json > old.json
kubectl annotate site hello seen-by=someone-else --overwrite
kubectl replace -f old.json
rm old.json
