// Package azure reads containers of Azure Blob Storage:
// https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
//
// A request carries a signature with the key of the account, the query of a shared
// access signature, or a bearer token.
//
// Entity tags have the form that downloads give them, in quotes, since listings and
// downloads of this provider do not agree.
package azure
