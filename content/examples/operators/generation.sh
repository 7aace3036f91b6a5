show() { kubectl get site hello -o jsonpath='generation {.metadata.generation}{"\n"}'; }
kubectl create -f site/site.yaml; show
kubectl label site hello team=web --overwrite; show
kubectl patch site hello --subresource=status --type=merge -p '{"status":{"readyReplicas":2}}'; show
kubectl patch site hello --type=merge -p '{"spec":{"replicas":3}}'; show
